"""McNemar's exact test of paired wins and losses, and Holm's correction for several tests."""

from collections.abc import Sequence

from scipy.special import bdtr


def mcnemar(wins: int, losses: int) -> float:
    """The two-sided p-value of McNemar's exact test.

    Ties carry no information: if both are equal, each other pair is a win or a loss with equal
    probability. For grades between right and wrong this is the sign test.
    """
    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects p-values for their number by Holm's method, keeping their order: the probability of
    any false positive at 0.05 is at most 0.05."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
