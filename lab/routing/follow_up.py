"""Trains the follow-up detector, and finds the text that the label of a training row is about.

`follow_ups.jsonl` holds follow-ups ("same but sorted by name") and utterances that only look like
one
("and what is the capital of France?"). Test and training rows share no opening words. The router's
training prompts are examples of standalone requests: an operator's labelled prompt counts as one,
however short it is.
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
from router.conversation import (
    ConversationReader,
    DecidingTexts,
    FollowUpDetector,
    Reading,
    user_turns,
)
from router.errors import TrainingError
from router.types import GENERAL, Scores

UTTERANCES = Path(__file__).parent / "follow_ups.jsonl"

_INVERSE_REGULARISATION = 3.0
_MAX_FOLLOW_UPS = 0.015
"""Share of the held-out prompts that may be classified as follow-ups; some of them are."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A later message of a conversation.

    Attributes:
        text: the words.
        is_follow_up: whether the message needs the earlier ones to be understood.
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
    """Fits a logistic regression, with a threshold that flags few held-out prompts as follow-ups.

    Follow-ups have the same total weight as all other rows, and among these the utterances the same
    as the prompts: otherwise thousands of prompts would outweigh the hard negatives.

    Args:
        vectors: vectors of n utterances, shape (n, dimensions).
        is_follow_up: which of them are follow-ups, shape (n,); both kinds must occur.
        standalone: vectors of the router's training prompts, shape (m, dimensions); m may be 0.
        held_out: vectors of its validation prompts, shape (k, dimensions), or none.

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
    with threadpool_limits(1):  # another order of summation would change the artifact
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
    """Trains a detector on this project's utterances and on prompts that open a conversation, which
    are standalone.

    Args:
        rows: labelled prompts.
        encoder: turns texts into vectors.
        splits: of the rows; training rows fit the detector, validation rows set the threshold.
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
    rows: Sequence[LabelledRow], encoder: TextEncoder, reading: Reading
) -> DecidingTexts:
    """The text that each row's label is about: a follow-up has no label of its own, so for a
    conversation this is the turn that its last message follows up.

    Args:
        rows: labelled prompts.
        encoder: turns texts into vectors.
        reading: how requests are read.

    Raises:
        TrainingError: a row has no user text.
    """

    def general(vectors: Floats, _truncated: NDArray[np.bool_]) -> list[Scores]:
        # There is no classifier yet, so only the detector can find the turn.
        return [Scores({GENERAL: 1.0}, ood_score=0.0, max_ood_score=0.0)] * len(vectors)

    reader = ConversationReader(encoder.encode, general, reading)
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
