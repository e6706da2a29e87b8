"""Labelled rows with their splits: what a training reads."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.routing.forms import TuningPrompt
from lab.routing.rows import LabelledRow, Splits, query_of, wording
from router.conversation import system_text, user_turns
from router.errors import TrainingError
from router.types import GENERAL

Indices = NDArray[np.int64]

OWN = "(own)"
"""End of the source of rows that were written for this project."""
_OWN_WEIGHT = 6.0
"""They are few, and in words that public sets lack."""
_SHARED = 0.05
"""Of a niche's training rows: a system prompt that fewer share may hold a part of what is asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Labelled rows with their splits and classes."""

    rows: Sequence[LabelledRow]
    splits: Splits
    classes: tuple[str, ...]

    def of(self, split: str) -> list[LabelledRow]:
        """The rows of a split."""
        return [self.rows[index] for index in getattr(self.splits, split)]

    def calibration(self, seed: int) -> list[LabelledRow]:
        """One calibration row of each group, drawn at random: a guarantee counts them as
        independent draws. They are shuffled, since it may test them sequentially, and files are
        often sorted."""
        shuffled = np.random.default_rng(seed).permutation(self.splits.calibration)
        return list({self.rows[index].group: self.rows[index] for index in shuffled}.values())

    def truth(self, rows: Sequence[LabelledRow]) -> Indices:
        """The class of each row."""
        return np.array([self.classes.index(row.domain) for row in rows], np.int64)

    def tuning_prompts(self) -> list[TuningPrompt]:
        """The training rows that are one message, whose system prompt, if any, sets its domain's
        own task: another may hold a part of what is asked. A text that has several domains belongs
        to one by its system prompt alone, and tunes without it only as what it is without one."""
        own = self.own_tasks()
        domains: dict[str, set[str]] = defaultdict(set)
        for row in self.of("train"):
            domains[wording(row.text)].add(row.domain)

        def tunes(row: LabelledRow) -> bool:
            query = query_of(row)
            system = system_text(query)
            told = len(domains[wording(row.text)]) == 1 and system in own.get(row.domain, ())
            return len(user_turns(query)) == 1 and (not system or told)

        return [
            TuningPrompt(row.text, row.domain, _OWN_WEIGHT if row.source.endswith(OWN) else 1.0)
            for row in self.of("train")
            if tunes(row)
        ]

    def own_tasks(self) -> Mapping[str, Sequence[str]]:
        """The system prompts that set a niche's own task: those that a part of its training rows
        shares, in several groups, since one of a single group may be a table, or another context of
        its rows. For each niche, also those without any."""
        groups: dict[tuple[str, str], set[str]] = defaultdict(set)
        count = Counter(row.domain for row in self.of("train"))
        shared: Counter[tuple[str, str]] = Counter()
        for row in self.of("train"):
            key = row.domain, system_text(query_of(row))
            groups[key].add(row.group)
            shared[key] += 1
        own: dict[str, list[str]] = {domain: [] for domain in count if domain != GENERAL}
        for (domain, system), found in sorted(groups.items()):
            often = shared[domain, system] >= _SHARED * count[domain]
            if system and domain in own and len(found) > 1 and often:
                own[domain].append(system)
        return own

    def require_every_domain(self) -> None:
        """Raises a `TrainingError` if a split has no row of a domain."""
        for name in ("train", "validation", "test"):
            present = {row.domain for row in self.of(name)}
            absent = sorted({row.domain for row in self.rows} - present)
            if absent:
                raise TrainingError(
                    f"no {name} rows of {', '.join(absent)} are left after separating the splits; "
                    "add prompts of other groups"
                )
