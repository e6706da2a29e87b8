"""What each policy expects of every model on every prompt, before it chooses.

Rule: who learns from outcomes learns from those of other folds; prompts of one cluster are in one
fold. An oracle knows what no router can, and says so: it is a ceiling and no competitor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.benchmarks.folds import folds
from lab.benchmarks.outcomes import by_ridge, by_two_steps, expected_gain
from lab.replay.outcomes import Outcomes

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

DOMAIN_ORACLE, INSTANCE_ORACLE = "domain oracle", "instance oracle"
"""Names of what knows too much."""

FOLDS = 5
STRENGTH, PENALTY = 3.0, 10.0
"""Among those that `niche benchmark routellm` chooses from; they are not chosen here."""


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """What a policy goes by.

    Attributes:
        name: as tables show it.
        scores: expected score of each model, shape (n, k).
        costs: expected cost of each, shape (n, k).
        oracle: whether it knows the outcomes that it is measured on.
    """

    name: str
    scores: Doubles
    costs: Doubles
    oracle: bool = False


def domain_means(outcomes: Outcomes) -> Expectation:
    """The means of the prompt's own group in other folds, drawn towards those of all groups."""
    groups = _groups(outcomes)

    def fit(train: Indices, test: Indices, answers: Doubles) -> Doubles:
        names, place = np.unique(groups[test], return_inverse=True)
        return expected_gain(groups[train], answers[train], names.tolist())[place]

    return _cross_fitted("domain means", outcomes, fit)


def by_router(outcomes: Outcomes, probabilities: Doubles) -> Expectation:
    """The means of a trained router's domains in other folds, weighted by how likely each is.

    Args:
        outcomes: n prompts.
        probabilities: of the router's domains, shape (n, domains).
    """
    likeliest = probabilities.argmax(axis=1).astype(np.str_)
    names = [str(place) for place in range(probabilities.shape[1])]

    def fit(train: Indices, test: Indices, answers: Doubles) -> Doubles:
        table = expected_gain(likeliest[train], answers[train], names)
        return np.asarray(probabilities[test] @ table)

    return _cross_fitted("router's domains", outcomes, fit)


def by_vectors(outcomes: Outcomes, vectors: Floats) -> Expectation:
    """Two steps (likely groups, then their means) and a ridge regression, in equal parts.

    Where groups are not known, the ridge regression alone.

    Args:
        outcomes: n prompts.
        vectors: of the prompts, shape (n, dimensions).
    """
    groups = None if outcomes.groups is None else np.array(outcomes.groups)

    def fit(train: Indices, test: Indices, answers: Doubles) -> Doubles:
        pair = vectors[train], vectors[test]
        ridge = by_ridge(pair, answers[train], PENALTY)
        if groups is None:
            return ridge
        return (by_two_steps(pair, groups[train], answers[train], STRENGTH) + ridge) / 2

    return _cross_fitted("learned on vectors", outcomes, fit)


def domain_oracle(outcomes: Outcomes) -> Expectation:
    """The means of the prompt's own group, its own outcome included."""
    _, place = np.unique(_groups(outcomes), return_inverse=True)
    answers = np.hstack([outcomes.scores, outcomes.costs])
    sums = np.zeros((int(place.max()) + 1, answers.shape[1]))
    np.add.at(sums, place, answers)
    means = (sums / np.bincount(place)[:, None])[place]
    return _expectation(DOMAIN_ORACLE, means, oracle=True)


def instance_oracle(outcomes: Outcomes) -> Expectation:
    """The outcome itself."""
    answers = np.hstack([outcomes.scores, outcomes.costs])
    return _expectation(INSTANCE_ORACLE, answers, oracle=True)


def _groups(outcomes: Outcomes) -> NDArray[np.str_]:
    if outcomes.groups is None:
        raise ValueError("the outcomes have no groups; ask for policies that need none")
    return np.array(outcomes.groups)


def _cross_fitted(
    name: str, outcomes: Outcomes, fit: Callable[[Indices, Indices, Doubles], Doubles]
) -> Expectation:
    answers = np.hstack([outcomes.scores, outcomes.costs])
    fold = folds(outcomes.clusters, min(FOLDS, len(set(outcomes.clusters))))
    expected = np.zeros_like(answers)
    for number in range(int(fold.max()) + 1):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        expected[test] = fit(train, test, answers)
    return _expectation(name, expected, oracle=False)


def _expectation(name: str, answers: Doubles, *, oracle: bool) -> Expectation:
    scores, costs = np.hsplit(answers, 2)
    return Expectation(name, scores, costs, oracle)
