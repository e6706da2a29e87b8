"""Folds for cross-validation: what belongs together is never on both sides."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def folds(groups: Sequence[str], count: int, seed: int = 0) -> NDArray[np.int64]:
    """The fold of each row, 0 to `count` - 1, shape (n,): whole groups, drawn by lot.

    Args:
        groups: the group of each row.
        count: of folds, at most as many as there are groups.
        seed: of the drawing.
    """
    names = sorted(set(groups))
    lots = np.random.default_rng(seed).permutation(len(names)) % count
    of_group = dict(zip(names, lots.tolist(), strict=True))
    return np.array([of_group[group] for group in groups], np.int64)


def held_out(groups: Sequence[str], share: float, seed: int = 0) -> NDArray[np.bool_]:
    """About this share of the rows, as whole groups, shape (n,)."""
    return np.asarray(folds(groups, max(2, round(1 / share)), seed) == 0)
