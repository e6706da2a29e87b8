"""A router without training, to compare with: the cosine between a prompt and each niche's
description, and one threshold.

Rule: the vectors are the sentence encoder's own, the mean over tokens of its last layer. The
threshold, and whether the system prompt is read, are chosen by accuracy on other rows than those
that measure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lab.benchmarks.figures import Result
from lab.benchmarks.robustness import RobustnessPrompt, robustness
from lab.routing import forms
from lab.routing.rows import LabelledRow
from router.classifier import TextEncoder
from router.encoders.encoding import LAYERS
from router.types import GENERAL, Query

DESCRIPTIONS: Mapping[str, str] = {
    "biomed": "A biomedical sentence, in which the drugs and diseases are to be found.",
    "math": "An arithmetic word problem, whose answer is one number.",
    "sql": "The columns of a table and a question about its data, to be answered with SQL.",
    "support": "A customer's message to their bank about a card, a payment, a transfer or a "
    "top-up.",
    "tools": "A command to an assistant: play music, get the weather, book a restaurant, rate a "
    "book, find a film or its showtimes.",
}
"""What each niche is for, in a sentence."""

_GRID = np.arange(-0.2, 1.0, 0.005)


@dataclass(frozen=True, slots=True)
class _Setting:
    """A threshold, whether the system prompt is read, and the accuracy on the rows that chose."""

    threshold: float
    reads_system: bool
    accuracy: float


def zero_shot(
    encoder: TextEncoder,
    choose_by: Sequence[LabelledRow],
    prompts: Sequence[RobustnessPrompt],
) -> Result:
    """The figures of the cosine router.

    Args:
        encoder: the base encoder.
        choose_by: labelled rows that choose its setting; each is put into one form of
            `forms.MIX`, with the wordings that train.
        prompts: of `read_prompts`.
    """
    wordings = forms.wordings(held_out=False)
    rows = [forms.in_mix(row, wordings) for row in choose_by]
    queries, truth = [row.query for row in rows], np.array([row.domain for row in rows])
    settings = [_setting(encoder, queries, truth, reads) for reads in (False, True)]
    best = max(settings, key=lambda setting: setting.accuracy)

    def route(asked: Sequence[Query]) -> NDArray[np.str_]:
        names, cosines = _nearest(encoder, asked, best.reads_system)
        return np.where(cosines >= best.threshold, names, GENERAL)

    read = "read" if best.reads_system else "not read"
    note = (
        f"Cosine of at least {best.threshold:.3f}, system prompt {read}: accuracy "
        f"{best.accuracy:.4f} on the {len(rows):,} rows that chose."
    )
    found = robustness(route, prompts)
    return replace(found, name="robustness-zero-shot", notes=(*found.notes, note))


def _setting(
    encoder: TextEncoder, queries: Sequence[Query], truth: NDArray[np.str_], reads_system: bool
) -> _Setting:
    names, cosines = _nearest(encoder, queries, reads_system)
    found = [
        _Setting(
            float(bar),
            reads_system,
            float((np.where(cosines >= bar, names, GENERAL) == truth).mean()),
        )
        for bar in _GRID
    ]
    return max(found, key=lambda setting: setting.accuracy)


def _nearest(
    encoder: TextEncoder, queries: Sequence[Query], reads_system: bool
) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """The niche with the nearest description, and its cosine; shapes (n,)."""
    descriptions = _vectors(encoder, list(DESCRIPTIONS.values()))
    cosines = _vectors(encoder, [_text(query, reads_system) for query in queries]) @ descriptions.T
    nearest = cosines.argmax(axis=1)
    return np.array([*DESCRIPTIONS])[nearest], cosines.max(axis=1)


def _vectors(encoder: TextEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of length 1 of the last layer alone, which comes first in the encoder's."""
    found = encoder.encode(texts).vectors
    last = found[:, : found.shape[1] // LAYERS]
    return np.asarray(last / np.linalg.norm(last, axis=1, keepdims=True))


def _text(query: Query, reads_system: bool) -> str:
    if query.text is not None:
        return query.text
    said = [turn.content for turn in query.messages if reads_system or turn.role == "user"]
    return "\n".join(said)
