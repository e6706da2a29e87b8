"""Encoders side by side, on toy domains."""

import pytest

from lab.benchmarks.encoders import compare, contenders
from lab.benchmarks.tasks import default_task, public_task
from tests.lab.benchmarks.rows import toy_set
from tests.router.fakes import WIDTH, HashingEncoder, toy_rows


@pytest.fixture(scope="module")
def table():
    among = contenders(HashingEncoder(), [HashingEncoder()], None, hidden=WIDTH // 2)
    return compare(public_task("toy", toy_set()), among)


def test_every_contender_has_a_row(table):
    """Without a model to fine-tune there are five."""
    names = [row[0] for row in table.rows]
    assert names == [
        "TF-IDF + linear",
        "static (hashing) + linear",
        "frozen, last layer + linear",
        "frozen, three layers + linear",
        "frozen, three layers + sub-clusters",
    ]
    assert table.titles[0] == "toy"


def test_all_figures_are_measured_on_test_rows(table):
    """Domains of words of their own are easy for everyone, strangers too; time passes."""
    for _, accuracy, f1, elsewhere, auroc, milliseconds in table.rows:
        assert elsewhere == ""
        assert float(accuracy) > 0.8
        assert float(f1) > 0.8
        assert float(auroc) > 0.7
        assert float(milliseconds) > 0


def test_without_strangers_there_is_no_auroc():
    """The cell stays empty where the set has no rows out of scope."""
    rows = [row for row in toy_set() if row.domain != "general"]
    among = contenders(HashingEncoder(), [], None)[:1]
    assert compare(public_task("toy", rows), among).rows[0][4] == ""


def test_a_public_set_never_trains_on_its_strangers():
    """General rows are outside: the test's are measured on, the others are left out."""
    task = public_task("toy", toy_set(train=20, held_out=7))
    assert "general" not in task.classes
    assert (len(task.train.texts), len(task.validation.texts)) == (120, 42)
    assert (len(task.test.texts), len(task.outside)) == (42, 7)


def test_a_set_without_validation_lends_a_tenth_of_its_training_rows():
    """Both parts together are all training rows."""
    rows = [row for row in toy_set(train=20) if row.split != "validation"]
    task = public_task("toy", rows)
    assert (len(task.train.texts), len(task.validation.texts)) == (108, 12)


def test_the_default_rows_keep_general_as_a_class():
    """There it is trained on; the test's general rows are out of scope, other sources beside."""
    task = default_task(toy_rows(), HashingEncoder())
    assert task.classes == ("general", "sql", "tools")
    assert not task.outside
    *_, elsewhere, auroc, _ = compare(task, contenders(HashingEncoder(), [], None)[-1:]).rows[0]
    assert float(elsewhere) > 0.8
    assert float(auroc) > 0.8
