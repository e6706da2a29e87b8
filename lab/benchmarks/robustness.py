"""The task, not the topic: how a router does on prompts in other words and other forms.

The prompts are `docs/results/robustness/`: hand-written natural prompts, near misses and pasted
blocks, and the same prompts in the held-out forms of `lab.routing.forms`. Nothing of them trains or
calibrates.

Rules: a figure is the share of a kind's prompts that go to their domain's specialist (`recall`), or
that go to any specialist although none should get them (`routed`). Nothing here imports a router or
its training, so that other routers can be measured without them: `robustness_endpoint`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.protocol import Message
from lab.benchmarks.figures import Bar, Result, share
from lab.statistics.jsonl import read_jsonl
from router.types import GENERAL, Query

FOLDER = Path(__file__).parents[2] / "docs" / "results" / "robustness"

MADE = "made.jsonl.gz"
NATURAL = "natural.jsonl"
_FILES = (NATURAL, "near-misses.jsonl", "general.jsonl", MADE)

Route = Callable[[Sequence[Query]], NDArray[np.str_]]
"""The domain whose specialist gets each query, or `general`; shape (n,)."""


@dataclass(frozen=True, slots=True)
class RobustnessPrompt:
    """A prompt that measures.

    Attributes:
        id: its name.
        query: the conversation.
        domain: where it belongs.
        kind: what it tries.
    """

    id: str
    query: Query
    domain: str
    kind: str


def read_prompts(folder: Path = FOLDER) -> list[RobustnessPrompt]:
    """All prompts of the folder.

    Raises:
        DataError: a file is absent or has faults.
    """
    return [prompt for name in _FILES for prompt in read_file(folder / name)]


def read_file(path: Path) -> list[RobustnessPrompt]:
    """The prompts of one file.

    Raises:
        DataError: it is absent or has faults.
    """
    return read_jsonl(path, _prompt)


def robustness(route: Route, prompts: Sequence[RobustnessPrompt]) -> Result:
    """The figures of a router.

    Args:
        route: the router.
        prompts: of `read_prompts`.
    """
    went = route([prompt.query for prompt in prompts])
    truth = np.array([prompt.domain for prompt in prompts])
    kinds = np.array([prompt.kind for prompt in prompts])
    right, routed = went == truth, went != GENERAL
    figures = [
        share(f"natural {name}: recall", right[(kinds == "natural") & (truth == name)], Bar(bar))
        for name, bar in _NATURAL_BARS.items()
    ]
    for kind in dict.fromkeys(kinds.tolist()):
        of_kind = kinds == kind
        for name, rows, hits, bars in (
            ("recall", of_kind & (truth != GENERAL), right, RECALL_BARS),
            ("routed", of_kind & (truth == GENERAL), routed, ROUTED_BARS),
        ):
            if kind != "natural" and rows.any():
                figures.append(share(f"{kind}: {name}", hits[rows], bars.get(kind)))
    counts = ", ".join(f"{kind} {int((kinds == kind).sum())}" for kind in dict.fromkeys(kinds))
    return Result("robustness", tuple(figures), (f"{len(prompts):,} prompts: {counts}.",))


_NATURAL_BARS = {"biomed": 0.95, "math": 0.93, "sql": 0.9, "support": 0.8, "tools": 0.93}
RECALL_BARS: Mapping[str, Bar] = {
    "neutral system prompt": Bar(0.97),
    "typos": Bar(0.92),
    "politeness": Bar(0.97),
    "mail": Bar(0.85),
    "forwarded": Bar(0.75),
    "after a document": Bar(0.92),
    "in a long text": Bar(0.8),
}
"""The targets of kinds whose prompts belong to a niche."""
ROUTED_BARS: Mapping[str, Bar] = {
    "near miss": Bar(0.06, at_most=True),
    "pasted block": Bar(0.02, at_most=True),
    "other task": Bar(0.05, at_most=True),
    "other task by system prompt": Bar(0.05, at_most=True),
    "general mail": Bar(0.05, at_most=True),
    "general in a long text": Bar(0.05, at_most=True),
}
"""The targets of kinds whose prompts belong to no niche."""


def _prompt(fields: dict[str, Any]) -> RobustnessPrompt:
    turns = tuple(Message(turn["role"], turn["content"]) for turn in fields["messages"])
    return RobustnessPrompt(fields["id"], Query(turns), fields["domain"], fields["kind"])
