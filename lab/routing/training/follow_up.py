"""Learning to tell words that lean on what was said before: utterances of our own, and the fit.

`follow_ups.jsonl` holds utterances that lean ("same but sorted by name") and such that only look so
("and what is the capital of France?"). No opening of a test row occurs in a training row. The
prompts that the router is trained from are examples of words that stand alone: so what an operator
calls a request counts as one, however short it is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from lab.statistics.jsonl import Fault, read_jsonl, shown, string
from router.conversation import FollowUp
from router.errors import TrainingError

UTTERANCES = Path(__file__).parent / "follow_ups.jsonl"

_INVERSE_REGULARISATION = 3.0
_MAX_LEANING = 0.015
"""Share of the held-out prompts that may be taken for leaning ones; some of them do lean."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a user says after something else.

    Attributes:
        text: the words.
        leans: whether they say nothing without what came before.
        split: `train` or `test`.
    """

    text: str
    leans: bool
    split: str


def read_utterances(path: Path = UTTERANCES) -> list[Utterance]:
    """The utterances of a file, one JSON object a line.

    Raises:
        DataError: the file cannot be read, or lines have faults.
    """
    return read_jsonl(path, _utterance)


def fit_follow_up(
    vectors: Floats, leans: NDArray[np.bool_], standalone: Floats, held_out: Floats
) -> FollowUp:
    """A logistic regression; its threshold takes few of the held-out prompts for leaning ones.

    Leaning and other rows weigh the same in all, and among the others so do the utterances that
    stand alone and the prompts: else thousands of prompts would drown what only looks like leaning.

    Args:
        vectors: of n utterances, shape (n, dimensions).
        leans: which of them lean, shape (n,); some do, some do not.
        standalone: of the router's training prompts, shape (m, dimensions); m may be 0.
        held_out: of its validation prompts, shape (k, dimensions), for the threshold; k may be 0.

    Raises:
        TrainingError: no utterance leans, or all do.
    """
    if leans.all() or not leans.any():
        raise TrainingError(
            f"of {len(leans)} utterances {int(leans.sum())} lean; there must be both kinds: "
            f"restore {UTTERANCES.name}"
        )
    rows = np.concatenate([vectors, standalone])
    truth = np.concatenate([leans, np.zeros(len(standalone), np.bool_)])
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
        threshold = max(threshold, float(np.quantile(scores, 1 - _MAX_LEANING)))
    return FollowUp(
        weights=regression.coef_[0].astype(np.float32),
        bias=float(regression.intercept_[0]) - threshold,
    )


def _utterance(fields: dict[str, Any]) -> Utterance:
    leans = fields.get("leans")
    if not isinstance(leans, bool):
        raise Fault(f"leans is {shown(leans)}; it must be true or false")
    split = string(fields.get("split"), "split")
    if split not in ("train", "test"):
        raise Fault(f"no split {shown(split)}; allowed: train, test")
    return Utterance(string(fields.get("text"), "text"), leans, split)
