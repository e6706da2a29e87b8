"""CLINC150's benchmarks on toy domains."""

import pytest

from lab.benchmarks.clinc import DRAWS, clinc150, clinc150_unseen
from tests.lab.benchmarks.rows import toy_set
from tests.router.fakes import HashingEncoder


@pytest.fixture(scope="module")
def result():
    return clinc150(toy_set(), HashingEncoder())


def test_domains_with_words_of_their_own_are_told_apart_and_strangers_found(result):
    """Accuracy, AUROC and recall are near 1."""
    assert [figure.value > 0.9 for figure in result.figures[:3]] == [True] * 3
    assert all(figure.bar for figure in result.figures[:3])


def test_the_threshold_of_validation_rejects_few_that_belong(result):
    """5% of validation rows are below it; of test rows not many more."""
    (figure,) = [f for f in result.figures if f.name == "in-scope rejected at that threshold"]
    assert figure.value < 0.2


def test_out_of_scope_rows_take_no_part_in_training(result):
    """Without those of training and validation the figures are the same."""
    rows = [row for row in toy_set() if row.domain != "general" or row.split == "test"]
    assert clinc150(rows, HashingEncoder()).figures == result.figures


def test_domains_that_are_not_kept_are_strangers():
    """Five of the six domains are kept, in several draws, each of which is named."""
    result = clinc150_unseen(toy_set(), HashingEncoder())
    mean, low, high, *_ = [figure.value for figure in result.figures]
    assert low <= mean <= high
    assert low > 0.9
    assert len(result.notes) == DRAWS
