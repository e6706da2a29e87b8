"""Data sets as tasks, on toy domains."""

from lab.benchmarks.tasks import default_task, public_task
from tests.lab.benchmarks.rows import toy_set
from tests.router.fakes import HashingEncoder, toy_rows


def test_a_public_set_never_trains_on_out_of_scope_rows():
    """General rows are outside: the test's are measured on, the others are left out."""
    task = public_task("toy", toy_set(train=20, held_out=7))
    assert "general" not in task.classes
    assert (len(task.train.texts), len(task.validation.texts)) == (120, 42)
    assert (len(task.test.texts), len(task.outside)) == (42, 7)


def test_a_set_without_validation_gives_a_tenth_of_its_training_rows():
    """Both parts together are all training rows."""
    rows = [row for row in toy_set(train=20) if row.split != "validation"]
    task = public_task("toy", rows)
    assert (len(task.train.texts), len(task.validation.texts)) == (108, 12)


def test_the_default_rows_keep_general_as_a_class():
    """There it is trained on, and rows of other sources stand apart."""
    task = default_task(toy_rows(), HashingEncoder())
    assert task.classes == ("general", "sql", "tools")
    assert not task.outside
    assert task.elsewhere is not None
