"""Exact tests of paired wins and losses, and Holm's correction for asking several times."""

from collections.abc import Sequence

from scipy.special import bdtr


def mcnemar(wins: int, losses: int) -> float:
    """The two-sided p-value of McNemar's exact test.

    Ties say nothing of who is better: were both alike, each of the other pairs would fall to either
    side like a coin. For grades between right and wrong the same count is the sign test.
    """
    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number, in their order: if each that is below 0.05 is
    called a difference, with probability 0.95 none of them is called so by chance."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
