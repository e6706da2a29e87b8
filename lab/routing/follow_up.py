"""Learning to tell follow-ups from requests that stand alone, and what training rows are about.

`follow_ups.jsonl` holds follow-ups ("same but sorted by name") and utterances that only look so
("and what is the capital of France?"). No opening of a test row occurs in a training row. The
prompts that the router is trained from are examples of requests that stand alone: so what an
operator calls a request counts as one, however short it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from lab.routing.rows import LabelledRow, Splits, query_of
from lab.statistics.jsonl import Fault, read_jsonl, shorten, string
from router.classifier import TextEncoder
from router.conversation import ConversationReader, DecidingTexts, FollowUpDetector, user_turns
from router.errors import TrainingError
from router.types import GENERAL, Scores

UTTERANCES = Path(__file__).parent / "follow_ups.jsonl"

_INVERSE_REGULARISATION = 3.0
_MAX_FOLLOW_UPS = 0.015
"""Share of the held-out prompts that may be taken for follow-ups; some of them are."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a user says after something else.

    Attributes:
        text: the words.
        is_follow_up: whether they say nothing without what came before.
        split: `train` or `test`.
    """

    text: str
    is_follow_up: bool
    split: str


def read_utterances(path: Path = UTTERANCES) -> list[Utterance]:
    """The utterances of a file, one JSON object a line.

    Raises:
        DataError: the file cannot be read, or lines have faults.
    """
    return read_jsonl(path, _utterance)


def fit_follow_up(
    vectors: Floats, is_follow_up: NDArray[np.bool_], standalone: Floats, held_out: Floats
) -> FollowUpDetector:
    """A logistic regression; its threshold takes few of the held-out prompts for follow-ups.

    Follow-ups weigh as much as all other rows, and among these the utterances as much as the
    prompts: else thousands of prompts would drown what only looks like a follow-up.

    Args:
        vectors: of n utterances, shape (n, dimensions).
        is_follow_up: which of them are follow-ups, shape (n,); some are, some are not.
        standalone: of the router's training prompts, shape (m, dimensions); m may be 0.
        held_out: of its validation prompts, shape (k, dimensions), for the threshold; k may be 0.

    Raises:
        TrainingError: no utterance is a follow-up, or all are.
    """
    if is_follow_up.all() or not is_follow_up.any():
        raise TrainingError(
            f"of {len(is_follow_up)} utterances {int(is_follow_up.sum())} are follow-ups; there "
            f"must be both kinds: restore {UTTERANCES.name}"
        )
    rows = np.concatenate([vectors, standalone])
    truth = np.concatenate([is_follow_up, np.zeros(len(standalone), np.bool_)])
    prompts = np.arange(len(rows)) >= len(vectors)
    weight = np.zeros(len(rows))
    weight[truth] = 2 / truth.sum()
    for kind in (~truth & ~prompts, prompts):
        weight[kind] = (1 if len(standalone) else 2) / max(kind.sum(), 1)
    regression = LogisticRegression(C=_INVERSE_REGULARISATION, max_iter=2000)
    with threadpool_limits(1):  # sums in another order would give another artifact
        regression.fit(rows, truth, sample_weight=weight * len(rows) / 4)
    threshold = 0.0
    if len(held_out):
        scores = regression.decision_function(held_out)
        threshold = max(threshold, float(np.quantile(scores, 1 - _MAX_FOLLOW_UPS)))
    return FollowUpDetector(
        weights=regression.coef_[0].astype(np.float32),
        bias=float(regression.intercept_[0]) - threshold,
    )


def learn_follow_ups(
    rows: Sequence[LabelledRow], encoder: TextEncoder, splits: Splits
) -> FollowUpDetector:
    """A detector learnt from our own utterances, and from the prompts that open a conversation, for
    those stand alone.

    Args:
        rows: labelled prompts.
        encoder: turns texts into vectors.
        splits: of the rows; training rows are learnt from, validation rows set the threshold.
    """
    said = [utterance for utterance in read_utterances() if utterance.split == "train"]
    first = np.array([len(user_turns(query_of(row))) == 1 for row in rows])
    texts = np.array([row.text.strip() for row in rows], np.object_)
    return fit_follow_up(
        encoder.encode([utterance.text for utterance in said]).vectors,
        np.array([utterance.is_follow_up for utterance in said]),
        standalone=encoder.encode(texts[splits.train][first[splits.train]].tolist()).vectors,
        held_out=encoder.encode(
            texts[splits.validation][first[splits.validation]].tolist()
        ).vectors,
    )


def deciding_texts(
    rows: Sequence[LabelledRow], encoder: TextEncoder, follow_up: FollowUpDetector
) -> DecidingTexts:
    """The text of each row that its label is about: a label says nothing about a follow-up, so of a
    conversation it is the turn that its end follows up.

    Args:
        rows: labelled prompts.
        encoder: turns texts into vectors.
        follow_up: tells follow-ups.

    Raises:
        TrainingError: a row has no text of a user.
    """

    def general(vectors: Floats, _truncated: NDArray[np.bool_]) -> list[Scores]:
        # No niche is known yet, so nothing but the detector can tell where to look.
        return [Scores({GENERAL: 1.0}, ood_score=0.0, max_ood_score=0.0)] * len(vectors)

    reader = ConversationReader(encoder.encode, general, follow_up)
    deciding = reader.read([query_of(row) for row in rows])
    silent = [row for row, text in zip(rows, deciding.texts, strict=True) if not text]
    if silent:
        raise TrainingError(f"{len(silent)} rows have no text of a user; remove them")
    return deciding


def _utterance(fields: dict[str, Any]) -> Utterance:
    is_follow_up = fields.get("is_follow_up")
    if not isinstance(is_follow_up, bool):
        raise Fault(f"is_follow_up is {shorten(is_follow_up)}; it must be true or false")
    split = string(fields.get("split"), "split")
    if split not in ("train", "test"):
        raise Fault(f"no split {shorten(split)}; allowed: train, test")
    return Utterance(string(fields.get("text"), "text"), is_follow_up, split)
