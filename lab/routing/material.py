"""Labelled rows with their splits: what a training reads."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.routing.forms import TuningPrompt
from lab.routing.rows import LabelledRow, Splits, query_of
from router.conversation import system_text, user_turns
from router.errors import TrainingError
from router.types import GENERAL

Indices = NDArray[np.int64]

OWN = "(own)"
"""End of the source of rows that were written for this project."""
_OWN_WEIGHT = 6.0
"""They are few, and in words that public sets lack."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Labelled rows with their splits and classes."""

    rows: Sequence[LabelledRow]
    splits: Splits
    classes: tuple[str, ...]

    def of(self, split: str) -> list[LabelledRow]:
        """The rows of a split."""
        return [self.rows[index] for index in getattr(self.splits, split)]

    def truth(self, rows: Sequence[LabelledRow]) -> Indices:
        """The class of each row."""
        return np.array([self.classes.index(row.domain) for row in rows], np.int64)

    def tuning_prompts(self) -> list[TuningPrompt]:
        """The training rows that are one message, whose system prompt, if any, sets its domain's
        own task: another may hold a part of what is asked."""
        own = self.own_tasks()
        return [
            TuningPrompt(row.text, row.domain, _OWN_WEIGHT if row.source.endswith(OWN) else 1.0)
            for row in self.of("train")
            if len(user_turns(query_of(row))) == 1
            and system_text(query_of(row)) in ("", *own.get(row.domain, ()))
        ]

    def own_tasks(self) -> Mapping[str, Sequence[str]]:
        """The system prompts that several training rows of a niche share, which set its own task;
        for each niche, also those without any."""
        found = Counter(
            (row.domain, system_text(query_of(row)))
            for row in self.of("train")
            if row.domain != GENERAL
        )
        own: dict[str, list[str]] = {domain: [] for domain, _ in found}
        for (domain, system), count in sorted(found.items()):
            if system and count > 1:
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
