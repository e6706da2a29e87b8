"""What each of several takers gets."""

from collections.abc import Iterable


def fair_share(amount: float, wanted: float, others: Iterable[float]) -> float:
    """What one of several gets of an amount: what it wants, but no more than an equal part of what
    those leave that want less (max-min fairness). So much gets who takes in turn.

    Args:
        amount: what there is.
        wanted: by this one; zero or more, as `others`.
        others: what each of the others wants.
    """
    modest_first = sorted(others)
    for index, other in enumerate(modest_first):
        part = amount / (len(modest_first) + 1 - index)
        if other >= part:
            return min(wanted, part)
        amount -= other
    return min(wanted, amount)
