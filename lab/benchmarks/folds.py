"""Folds for cross-validation that keep groups together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def folds(groups: Sequence[str], count: int, seed: int = 0) -> NDArray[np.int64]:
    """The fold of each row, 0 to `count` - 1, shape (n,); whole groups are drawn at random.

    Args:
        groups: the group of each row.
        count: the number of folds, at most that of the groups.
        seed: the seed of the draws.
    """
    names = sorted(set(groups))
    lots = np.random.default_rng(seed).permutation(len(names)) % count
    of_group = dict(zip(names, lots.tolist(), strict=True))
    return np.array([of_group[group] for group in groups], np.int64)


def held_out(groups: Sequence[str], share: float, seed: int = 0) -> NDArray[np.bool_]:
    """A mask of about this share of the rows, in whole groups, shape (n,)."""
    return np.asarray(folds(groups, max(2, round(1 / share)), seed) == 0)
