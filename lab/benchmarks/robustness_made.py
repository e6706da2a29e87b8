"""The lines of `docs/results/robustness/made.jsonl.gz`: test rows and natural prompts in the
held-out forms of `lab.routing.forms`.

Rule: each draw depends only on the rows, so the same rows give the same lines.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deployments.protocol import Message
from lab.benchmarks.robustness import FOLDER, NATURAL, RobustnessPrompt, read_file
from lab.routing import forms
from lab.routing.default_prompts import LabelledPrompt
from lab.routing.forms import formed, wordings
from router.types import GENERAL, Query

_PER_KIND = 220
_PER_NATURAL_KIND = 50

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


def make_prompts(
    test_rows: Sequence[LabelledPrompt], folder: Path = FOLDER
) -> list[dict[str, Any]]:
    """The lines.

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
    in_forms = {f"natural, {form}": form for form in _FORMS}
    return [
        *_made(niche, _KINDS),
        *_made(general, _GENERAL_KINDS),
        *_made(read_file(folder / NATURAL), in_forms, _PER_NATURAL_KIND),
    ]


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
