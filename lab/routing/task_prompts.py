"""Trains the detector of system prompts that set a task."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from lab.routing.forms import Wordings
from router.classifier import TextEncoder
from router.conversation import TaskPromptDetector
from router.request_text import SYSTEM_BUCKETS, system_buckets, system_words

Floats = NDArray[np.float32]

_PER_KIND = 4000
_OF_VECTORS, _OF_WORDS = 10.0, 100.0
"""Inverse regularisation: each word says little."""

_LOOK = 0.5
"""What a neutral prompt that is read costs, as a share of what a task that is not read costs: the
one mostly loses a request to the generalist, the other sends it to the wrong model."""


def fit_task_prompts(
    training: Wordings, choosing: Wordings, encoder: TextEncoder
) -> TaskPromptDetector:
    """Fits a logistic regression on the vectors of system prompts that set a task, and of neutral
    ones, and another on their words; each alone, since the encoder has seen these prompts, and
    would leave nothing to the words.

    Args:
        training: of both; the encoder was tuned to tell these apart.
        choosing: others, which choose the threshold, since an encoder is surer of what it has seen.
        encoder: the one that will serve.
    """
    rng = random.Random(0)
    texts = [training.task_prompt(rng) for _ in range(_PER_KIND)]
    texts += [training.system(rng) for _ in range(_PER_KIND)]
    read = [system_words(text) for text in texts]
    detector = TaskPromptDetector(
        weights=_fitted(encoder.encode(read).vectors, _OF_VECTORS),
        words=_fitted(_words(read), _OF_WORDS),
        bias=0.0,
    )

    def scores(systems: Sequence[str]) -> Floats:
        shown = [system_words(system) for system in systems]
        return detector.scores(shown, encoder.encode(shown).vectors)

    tasks = [text for task in choosing.other_tasks for text in task.system]
    threshold = _threshold(scores(tasks), scores(choosing.systems))
    return TaskPromptDetector(detector.weights, detector.words, -threshold)


def _fitted(features: Any, inverse_regularisation: float) -> Floats:
    """The weights that tell the first half of the rows from the second."""
    with threadpool_limits(1):  # another order of summation would change the artifact
        fitted = LogisticRegression(C=inverse_regularisation, max_iter=1000).fit(
            features, np.repeat([True, False], _PER_KIND)
        )
    return np.asarray(fitted.coef_[0], np.float32)


def _words(systems: Sequence[str]) -> csr_matrix:
    """The words of each prompt, scaled to length 1."""
    found = [system_buckets(system) for system in systems]
    rows = np.repeat(np.arange(len(found)), [len(own) for own in found])
    values = np.concatenate([np.full(len(own), len(own) ** -0.5) for own in found if own])
    return csr_matrix((values, (rows, np.concatenate(found))), shape=(len(found), SYSTEM_BUCKETS))


def _threshold(tasks: Floats, neutral: Floats) -> float:
    """The score above which a prompt is read: of those with the lowest cost the middle one."""
    scores = np.sort(np.concatenate([tasks, neutral]))
    between = (scores[1:] + scores[:-1]) / 2
    missed = np.array([(tasks <= level).mean() for level in between])
    looked = np.array([(neutral > level).mean() for level in between])
    cost = missed + _LOOK * looked
    best = np.flatnonzero(cost == cost.min())
    return float(between[best[len(best) // 2]])
