"""Each policy's expected scores and costs of every model on every prompt.

Rule: policies learn only from outcomes of other folds; prompts of one cluster are in one fold. An
oracle uses information that no router has, and is marked as a ceiling.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.benchmarks.folds import folds
from lab.benchmarks.routellm import by_ridge, by_two_steps, expected_gain
from lab.replay.outcomes import Outcomes

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

DOMAIN_ORACLE, INSTANCE_ORACLE = "domain oracle", "instance oracle"
"""Names of the oracles."""

FOLDS = 5
STRENGTH, PENALTY = 3.0, 10.0
"""Fixed values, among those that `niche benchmark routellm` chooses from."""


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """A policy's expectations.

    Attributes:
        name: its name in tables.
        scores: expected score of each model, shape (n, k).
        costs: expected cost of each, shape (n, k).
        oracle: whether it uses the outcomes that it is evaluated on.
    """

    name: str
    scores: Doubles
    costs: Doubles
    oracle: bool = False


def domain_means(outcomes: Outcomes) -> Expectation:
    """The means of the prompt's group in other folds, shrunk towards the overall means."""
    groups = _groups(outcomes)

    def fit(train: Indices, test: Indices, answers: Doubles) -> Doubles:
        names, place = np.unique(groups[test], return_inverse=True)
        return expected_gain(groups[train], answers[train], names.tolist())[place]

    return _cross_fitted("domain means", outcomes, fit)


def by_router(outcomes: Outcomes, probabilities: Doubles) -> Expectation:
    """The means of a trained router's domains in other folds, weighted by their probabilities.

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
    """The average of two steps (likely groups, then their means) and a ridge regression.

    Without groups, only the ridge regression.

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
    """The means of the prompt's group, including its own outcome."""
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
        raise ValueError("the outcomes have no groups; choose policies that need none")
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


_POINTS = 49
"""The number of prices between the two ends; more change the area by less than its interval's last
digit."""
_A_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class Point:
    """A policy at one price.

    Attributes:
        policy: its name.
        price: score per unit of cost; infinite: always the cheapest model.
        cost: mean cost of a prompt.
        quality: mean score.
        shares: each model's share of the prompts.
        shuffle_cost: mean cost at the same shares, ignoring the prompts.
        shuffle_quality: mean score at the same shares.
    """

    policy: str
    price: float
    cost: float
    quality: float
    shares: tuple[float, ...]
    shuffle_cost: float
    shuffle_quality: float


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A policy at p prices, from the highest to 0.

    Attributes:
        expectation: the policy's expectations.
        prices: shape (p,); the first is infinite.
        scores: each prompt's score at each price, shape (n, p).
        costs: each prompt's cost at each price, shape (n, p).
        shares: of the models at each price, shape (p, k).
    """

    expectation: Expectation
    prices: Doubles
    scores: Doubles
    costs: Doubles
    shares: Doubles

    def points(self, outcomes: Outcomes) -> tuple[Point, ...]:
        """The means at each price."""
        columns = (
            self.prices,
            self.costs.mean(axis=0),
            self.scores.mean(axis=0),
            self.shares @ outcomes.costs.mean(axis=0),
            self.shares @ outcomes.scores.mean(axis=0),
        )
        name = self.expectation.name
        return tuple(
            Point(name, price, cost, quality, tuple(shares), shuffle_cost, shuffle_quality)
            for (price, cost, quality, shuffle_cost, shuffle_quality), shares in zip(
                np.stack(columns, axis=1).tolist(), self.shares.tolist(), strict=True
            )
        )


def sweep(expectation: Expectation, outcomes: Outcomes) -> Sweep:
    """Replays a policy at every price where its choices change, or at an even selection of
    these."""
    prices = _prices(expectation)
    rows = np.arange(len(outcomes.prompts))
    # Of equally good models, argmax takes the first, which is the cheapest.
    chosen = [
        (expectation.scores - price * expectation.costs).argmax(axis=1) for price in prices[1:]
    ]
    chosen = [np.zeros_like(rows), *chosen]
    models = len(outcomes.models)
    return Sweep(
        expectation=expectation,
        prices=prices,
        scores=np.stack([outcomes.scores[rows, at] for at in chosen], axis=1),
        costs=np.stack([outcomes.costs[rows, at] for at in chosen], axis=1),
        shares=np.stack([np.bincount(at, minlength=models) / len(rows) for at in chosen]),
    )


def _prices(expectation: Expectation) -> Doubles:
    """The prices at which prompts switch to a more expensive model, falling, between infinity and
    0."""
    scores, costs = expectation.scores, expectation.costs
    slopes = []
    for first in range(scores.shape[1]):
        gain = scores - scores[:, [first]]
        extra_cost = costs - costs[:, [first]]
        worth = (gain > 0) & (extra_cost > 0)
        slopes.append(gain[worth] / extra_cost[worth])
    found = np.concatenate(slopes)
    if not len(found):
        return np.array([np.inf, 0.0])
    levels = np.linspace(0, 1, _POINTS)
    steps = np.unique(np.quantile(found, levels, method="closest_observation"))[::-1]
    # Slightly below, so that a prompt at exactly this price gets the more expensive model.
    return np.concatenate([[np.inf], steps * (1 - _A_HAIR), [0.0]])
