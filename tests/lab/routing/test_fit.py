"""Fitting on vectors: sub-clusters that roll up, prototypes shared out, exemplars spread."""

import numpy as np
import pytest

from lab.routing.fit import Part, fit_forms, fit_head, fit_prototypes, pick_exemplars
from router.types import GENERAL

CLASSES = (GENERAL, "sql")


def two_kinds(each=40):
    """Two classes, each at two opposite corners of the plane: no line parts them."""
    rng = np.random.default_rng(0)
    corners = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]], np.float32)
    vectors = np.repeat(corners, each, axis=0) + rng.normal(0, 0.1, (4 * each, 2))
    return Part(vectors.astype(np.float32), np.repeat([0, 0, 1, 1], each))


def accuracy(head, rows):
    found = head.probabilities(head.logits(rows.vectors)).argmax(axis=1)
    return float((found == rows.truth).mean())


def test_sub_clusters_part_what_one_row_per_domain_cannot():
    """Domains that lie crosswise need two sub-clusters each."""
    rows = two_kinds()
    assert accuracy(fit_head(CLASSES, rows, 1, 30.0, seed=0), rows) < 0.8
    assert accuracy(fit_head(CLASSES, rows, 2, 30.0, seed=0), rows) == 1.0


def test_copies_are_learnt_with_their_rows():
    """Classes told apart by one number are so by another, where their copies differ in that."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 50)
    side = np.where(truth == 0, 1.0, -1.0)
    noise = rng.normal(0, 0.1, (100, 2))
    rows = Part((np.stack([side, 0 * side], axis=1) + noise).astype(np.float32), truth)
    moved = Part((np.stack([0 * side, side], axis=1) + noise).astype(np.float32), truth)
    assert accuracy(fit_head(CLASSES, rows, 1, 30.0, 0), moved) < 0.9
    assert accuracy(fit_head(CLASSES, rows.and_(moved), 1, 30.0, 0), moved) == 1.0


def test_parts_are_joined_in_order():
    """Rows keep their labels, the others' come after them."""
    rows = Part(np.zeros((2, 3), np.float32), np.array([0, 1]))
    found = rows.and_(Part(np.ones((1, 3), np.float32), np.array([1])))
    assert found.truth.tolist() == [0, 1, 1]
    assert found.vectors.sum(axis=1).tolist() == [0, 0, 3]


def test_a_sample_is_of_the_rows_with_their_labels():
    """At most that many, none twice, and the same ones for the same seed."""
    rows = Part(np.arange(2000, dtype=np.float32)[:, np.newaxis], np.repeat([0, 1], 1000))
    found = rows.sample(500, seed=1)
    drawn = found.vectors[:, 0]
    assert len(set(drawn.tolist())) == len(found.truth) == 500
    assert found.truth.tolist() == (drawn >= 1000).astype(int).tolist()
    assert drawn.tolist() == rows.sample(500, seed=1).vectors[:, 0].tolist()
    assert drawn.tolist() != rows.sample(500, seed=2).vectors[:, 0].tolist()
    assert len(rows.sample(5000, seed=1).truth) == 2000


@pytest.mark.parametrize(
    ("per_niche", "most", "expected"),
    [(5, 100, 5), (50, 7, 7), (50, 100, 20)],
    ids=["as wished", "shared out", "few rows"],
)
def test_prototypes_are_of_niches_alone_and_no_more_than_their_rows_bear(per_niche, most, expected):
    """Wished for, capped in all, and at most one for four rows of the niche."""
    assert len(fit_prototypes(CLASSES, two_kinds(), per_niche, most, seed=0)) == expected


def test_a_prototype_lies_where_its_niche_does():
    """The two centres of the niche are its two corners."""
    found = fit_prototypes(CLASSES, two_kinds(), 2, 100, seed=0)
    assert sorted(np.sign(found).tolist()) == [[-1.0, 1.0], [1.0, -1.0]]


def test_exemplars_are_spread_over_the_sub_clusters():
    """Each sub-cluster has its share of them."""
    rows = two_kinds()
    head = fit_head(CLASSES, rows, 2, 30.0, seed=0)
    owners = head.logits(rows.vectors)[pick_exemplars(head, rows.vectors, 8)].argmax(axis=1)
    assert np.bincount(owners).tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("names", [("plain", "typos"), ("plain", "typos", "list", "mail")])
def test_forms_are_told_apart(names):
    """Two of them too, though scikit-learn treats two classes apart."""
    rng = np.random.default_rng(0)
    corners = np.eye(len(names), dtype=np.float32)
    vectors = np.repeat(corners, 30, axis=0) + rng.normal(0, 0.1, (30 * len(names), len(names)))
    head = fit_forms(vectors.astype(np.float32), [name for name in names for _ in range(30)])
    assert [head.likeliest(corner).name for corner in corners] == list(names)
    assert all(head.likeliest(corner).probability > 0.9 for corner in corners)


def test_a_sample_keeps_the_rows_of_small_classes():
    """A class that a plain draw would all but lose is there whole; large ones are thinned."""
    truth = np.repeat([0, 1], [9000, 60])
    found = Part(np.zeros((9060, 2), np.float32), truth).sample(1000, seed=0)
    assert np.bincount(found.truth).tolist() == [993, 60]
