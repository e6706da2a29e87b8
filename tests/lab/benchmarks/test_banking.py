"""BANKING77's benchmark on toy intents."""

from dataclasses import replace

from lab.benchmarks.banking import banking77
from tests.lab.benchmarks.rows import toy_set
from tests.router.fakes import HashingEncoder

ROWS = [row for row in toy_set() if row.split != "validation"]


def test_intents_with_words_of_their_own_are_told_apart():
    """The accuracy is held to its bar, and the choice of C is told."""
    result = banking77(ROWS, HashingEncoder())
    assert result.figures[0].value > 0.95
    assert result.figures[0].met
    for fact in ("210 training", "105 test", "C = "):
        assert fact in result.notes[0]


def test_accuracy_is_that_of_the_test_rows():
    """With every test label wrong it is 0."""
    names = sorted({row.domain for row in ROWS})
    wrong = dict(zip(names, names[1:] + names[:1], strict=True))
    rows = [replace(row, domain=wrong[row.domain]) if row.split == "test" else row for row in ROWS]
    assert banking77(rows, HashingEncoder()).figures[0].value < 0.05
