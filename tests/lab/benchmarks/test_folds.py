"""Folds: whole groups, evenly, and the same ones every time."""

import numpy as np

from lab.benchmarks.folds import folds, held_out

GROUPS = [f"g{number // 3}" for number in range(300)]


def test_no_group_is_in_two_folds():
    """Rows of a group share a fold."""
    fold = folds(GROUPS, 5)
    assert all(len(set(fold[at : at + 3])) == 1 for at in range(0, 300, 3))


def test_folds_are_of_like_size():
    """100 groups of three in five folds: 60 rows each."""
    assert np.bincount(folds(GROUPS, 5)).tolist() == [60] * 5


def test_folds_depend_on_the_groups_and_the_seed_alone():
    """Rows in another order get the folds that they had."""
    order = np.random.default_rng(0).permutation(300)
    assert (folds([GROUPS[at] for at in order], 5) == folds(GROUPS, 5)[order]).all()
    assert (folds(GROUPS, 5, seed=1) != folds(GROUPS, 5)).any()


def test_about_the_wanted_share_is_held_out():
    """A tenth of the groups is a tenth of the rows here."""
    assert held_out(GROUPS, 0.1).mean() == 0.1
