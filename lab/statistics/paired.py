"""Two arms on the same prompts: the difference of their quality, with interval and test.

The interval is a paired bootstrap over prompts, or over groups of prompts that belong together.
Two pseudo-observations are added, one that the first arm wins and one that it loses, as in Bonett
and Price's interval for paired shares: without them, a handful of prompts without a loss would give
an interval that excludes losses. Each weighs as much as a mean group, so that groups without a loss
prove as little as that many prompts. They widen the interval and leave the difference unchanged.

A difference is reported if its interval excludes zero and the exact test of wins against losses is
significant.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lab.statistics.bootstrap import draws, interval
from lab.statistics.interval import Interval
from lab.statistics.significance import mcnemar

ALPHA = 0.05
"""The significance level."""
_NOTHING = 1e-12

PairOutcome = Literal["wins", "ties", "loses"]


@dataclass(frozen=True)
class Paired:
    """The first arm's quality compared with the second's.

    Attributes:
        rows: prompts.
        groups: the number of independent groups: documents, tables, sessions.
        difference: mean over the prompts, in [-1, 1], with its 95 % interval.
        wins, ties, losses: prompts that the first arm answers better, alike, worse.
        p_value: McNemar's exact test, on groups where prompts belong together.
    """

    rows: int
    groups: int
    difference: Interval
    wins: int
    ties: int
    losses: int
    p_value: float

    @property
    def outcome(self) -> PairOutcome:
        """The first arm wins or loses if interval and test agree, else it ties."""
        return self.outcome_at(self.p_value)

    def outcome_at(self, p_value: float) -> PairOutcome:
        """The outcome with the p-value corrected for several tests."""
        if p_value >= ALPHA or self.difference.low <= 0 <= self.difference.high:
            return "ties"
        return "wins" if self.difference.value > 0 else "loses"

    def non_inferior(self, margin: float) -> bool:
        """Whether the interval shows that the first arm is worse by less than `margin`."""
        return self.difference.low > -margin


def compare_paired(
    first: NDArray[np.float64], second: NDArray[np.float64], groups: NDArray[np.int64], name: str
) -> Paired:
    """Compares two arms.

    Args:
        first: the quality of one arm's answers in [0, 1], (rows,).
        second: the same for the other arm, (rows,).
        groups: the group of each row, (rows,), any numbers.
        name: the comparison's name, which seeds the draws.

    Raises:
        ValueError: there are no rows, or the arms differ in their number.
    """
    if not len(first) or first.shape != second.shape or groups.shape != first.shape:
        raise ValueError(f"rows: {first.shape}, {second.shape}, groups {groups.shape}")
    numbers = np.unique(groups, return_inverse=True)[1]
    return compare_by_draws(first - second, numbers, smoothed_draws(numbers, name))


def compare_by_draws(
    differences: NDArray[np.float64], groups: NDArray[np.int64], taken: NDArray[np.float64]
) -> Paired:
    """As `compare_paired`, with precomputed draws.

    Args:
        differences: of quality per prompt, in [-1, 1], (rows,).
        groups: the group of each row, (rows,), numbered from 0.
        taken: see `smoothed_draws`.
    """
    totals = np.bincount(groups, weights=differences)
    return Paired(
        rows=len(differences),
        groups=len(totals),
        difference=smoothed_mean(differences, taken, (-1.0, 1.0)),
        wins=int((differences > _NOTHING).sum()),
        ties=int((np.abs(differences) <= _NOTHING).sum()),
        losses=int((differences < -_NOTHING).sum()),
        p_value=mcnemar(int((totals > _NOTHING).sum()), int((totals < -_NOTHING).sum())),
    )


def smoothed_draws(groups: NDArray[np.int64], name: str) -> NDArray[np.float64]:
    """How often each draw takes each row and, in the last columns, the two pseudo-observations,
    each of as many rows as a mean group: (draws, rows + 2)."""
    count = int(groups.max()) + 1
    taken = draws(len(groups) + 2, name, np.append(groups, [count, count + 1])).astype(np.float64)
    taken[:, -2:] *= len(groups) / count
    return taken


def smoothed_mean(
    values: NDArray[np.float64], taken: NDArray[np.float64], pseudo_values: tuple[float, float]
) -> Interval:
    """The mean of values, with its interval from draws that include two pseudo-observations.

    Args:
        values: (rows,).
        taken: see `smoothed_draws`.
        pseudo_values: the smallest and the largest possible value.
    """
    drawn = (taken @ np.append(values, pseudo_values)) / taken.sum(axis=1)
    found = interval(drawn)
    return Interval(float(values.mean()), found.low, found.high)
