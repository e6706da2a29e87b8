"""A policy at every trade-off: from always the cheapest model to the best whatever it costs.

A policy buys quality at a price: it takes the model whose expected score, less the price times its
expected cost, is highest. The shuffle control gives each model the same share of the prompts,
whatever they say; what a policy is better by comes from reading them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.replay.outcomes import Outcomes
from lab.replay.policies import Expectation

Doubles = NDArray[np.float64]

_POINTS = 49
"""Prices beside the two ends; more change the area by less than its interval's last digit."""
_A_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class Point:
    """A policy at one price.

    Attributes:
        policy: its name.
        price: of quality, as score per unit of cost; infinite: always the cheapest model.
        cost: mean cost of a prompt.
        quality: mean score.
        shares: of the prompts that each model gets.
        shuffle_cost: mean cost at the same shares, whatever the prompts say.
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
        expectation: what it goes by.
        prices: shape (p,); the first is infinite.
        scores: what each prompt scored at each price, shape (n, p).
        costs: what each cost, shape (n, p).
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
    """Replays a policy at every price that matters, or at an even choice of them."""
    prices = _prices(expectation)
    rows = np.arange(len(outcomes.prompts))
    # Of several models of the same worth, argmax takes the first, which is the cheapest.
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
    """Where prompts begin to get a dearer model, highest first, between infinity and 0."""
    scores, costs = expectation.scores, expectation.costs
    slopes = []
    for first in range(scores.shape[1]):
        better = scores - scores[:, [first]]
        dearer = costs - costs[:, [first]]
        worth = (better > 0) & (dearer > 0)
        slopes.append(better[worth] / dearer[worth])
    found = np.concatenate(slopes)
    if not len(found):
        return np.array([np.inf, 0.0])
    levels = np.linspace(0, 1, _POINTS)
    steps = np.unique(np.quantile(found, levels, method="closest_observation"))[::-1]
    # A hair below, so that a prompt for which the price is just worth it gets the dearer model.
    return np.concatenate([[np.inf], steps * (1 - _A_HAIR), [0.0]])
