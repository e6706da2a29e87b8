"""The task, not the topic: how a router does on prompts in other words and other forms.

The prompts are `docs/results/robustness/`: hand-written natural prompts, near misses and pasted
blocks, and the same prompts in the held-out forms of `lab.routing.forms`. Nothing of them trains or
calibrates.

Rule: a figure is the share of a kind's prompts that go to their domain's specialist (`recall`), or
that go to any specialist although none should get them (`routed`).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.protocol import Message
from lab.benchmarks.figures import Bar, Result, share
from lab.routing import forms
from lab.routing.default_prompts import LabelledPrompt
from lab.routing.forms import formed, wordings
from lab.statistics.jsonl import read_jsonl
from router.types import GENERAL, Query

FOLDER = Path(__file__).parents[2] / "docs" / "results" / "robustness"

MADE = "made.jsonl.gz"
_WRITTEN = ("natural.jsonl", "near-misses.jsonl", "general.jsonl")
_PER_KIND = 220
_PER_NATURAL_KIND = 50

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
    return [prompt for name in (*_WRITTEN, MADE) for prompt in read_jsonl(folder / name, _prompt)]


def make_prompts(
    test_rows: Sequence[LabelledPrompt], folder: Path = FOLDER
) -> list[dict[str, Any]]:
    """The lines of `made.jsonl.gz`: prompts in the held-out forms.

    Args:
        test_rows: the default router's own test rows, which take every form.
        folder: the hand-written prompts; the natural ones take forms too, as a kind of their own.
    """
    public = [
        RobustnessPrompt(
            f"{row.source.partition(' ')[0]}-{hashlib.sha256(row.text.encode()).hexdigest()[:8]}",
            Query((Message("user", row.text),)),
            row.domain,
            row.source,
        )
        for row in test_rows
        if row.split == "test" and (row.domain != GENERAL or not row.source.endswith("(own)"))
    ]
    niche = [prompt for prompt in public if prompt.domain != GENERAL]
    general = [prompt for prompt in public if prompt.domain == GENERAL]
    written = [prompt for name in _WRITTEN[:1] for prompt in read_jsonl(folder / name, _prompt)]
    in_forms = {f"natural, {form}": form for form in _FORMS}
    return [
        *_made(niche, _KINDS),
        *_made(general, _GENERAL_KINDS),
        *_made(written, in_forms, _PER_NATURAL_KIND),
    ]


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
            ("recall", of_kind & (truth != GENERAL), right, _RECALL_BARS),
            ("routed", of_kind & (truth == GENERAL), routed, _ROUTED_BARS),
        ):
            if kind != "natural" and rows.any():
                figures.append(share(f"{kind}: {name}", hits[rows], bars.get(kind)))
    counts = ", ".join(f"{kind} {int((kinds == kind).sum())}" for kind in dict.fromkeys(kinds))
    return Result("robustness", tuple(figures), (f"{len(prompts):,} prompts: {counts}.",))


_NATURAL_BARS = {"biomed": 0.95, "math": 0.93, "sql": 0.9, "support": 0.8, "tools": 0.93}
_RECALL_BARS = {
    forms.SYSTEM_PROMPT: Bar(0.97),
    forms.TYPOS: Bar(0.92),
    "politeness": Bar(0.97),
    "mail": Bar(0.85),
    "forwarded": Bar(0.75),
    forms.AFTER_DOCUMENT: Bar(0.92),
    forms.IN_LONG_TEXT: Bar(0.8),
}
_ROUTED_BARS = {
    "near miss": Bar(0.06, at_most=True),
    "pasted block": Bar(0.02, at_most=True),
    forms.OTHER_TASK: Bar(0.05, at_most=True),
    forms.OTHER_TASK_BY_SYSTEM: Bar(0.05, at_most=True),
    "general mail": Bar(0.05, at_most=True),
    f"general {forms.IN_LONG_TEXT}": Bar(0.05, at_most=True),
}

_FORMS = (
    *(forms.SYSTEM_PROMPT, forms.TYPOS, forms.AFTER_DOCUMENT, forms.IN_LONG_TEXT),
    *("mail", "forwarded", "politeness", "chat", "small talk", "ticket"),
)
_KINDS: Mapping[str, str] = {
    form: form for form in (forms.OTHER_TASK, forms.OTHER_TASK_BY_SYSTEM, *_FORMS)
}
"""The form of each kind."""

_GENERAL_KINDS: Mapping[str, str] = {
    f"general {form}": form
    for form in ("mail", "forwarded", forms.AFTER_DOCUMENT, forms.IN_LONG_TEXT)
}


def _made(
    prompts: Sequence[RobustnessPrompt], kinds: Mapping[str, str], count: int = _PER_KIND
) -> Iterator[dict[str, Any]]:
    """The same number of prompts of each domain, drawn for each kind anew."""
    domains = sorted({prompt.domain for prompt in prompts})
    held_out = wordings(held_out=True)
    for kind, form in kinds.items():
        rng = np.random.default_rng(list(kind.encode()))
        for domain in domains:
            own = [prompt for prompt in prompts if prompt.domain == domain]
            for index in rng.permutation(len(own))[: count // len(domains)].tolist():
                prompt = own[index]
                made = formed(prompt.query.messages[-1].content, domain, form, held_out, "measure")
                if made is not None:
                    query, label = made
                    yield {
                        "id": f"{kind.replace(' ', '-')}/{prompt.id}",
                        "messages": [
                            {"role": turn.role, "content": turn.content} for turn in query.messages
                        ],
                        "domain": label,
                        "kind": kind,
                    }


def _prompt(fields: dict[str, Any]) -> RobustnessPrompt:
    turns = tuple(Message(turn["role"], turn["content"]) for turn in fields["messages"])
    return RobustnessPrompt(fields["id"], Query(turns), fields["domain"], fields["kind"])
