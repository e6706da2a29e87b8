"""The keys of what is abused."""

from pathlib import Path

import pytest

from loadtests.abuse.stacks import Keys
from loadtests.traffic.errors import LoadTestError


def test_the_keys_of_a_stack_come_back_from_its_file(tmp_path: Path) -> None:
    """Each in its role."""
    keys = Keys.drawn()
    (tmp_path / "keys.txt").write_text(keys.text, encoding="utf-8")

    assert Keys.from_file(tmp_path / "keys.txt") == keys


@pytest.mark.parametrize(
    "text",
    [None, "one\noperator o\ngrader g\n", "one\ntwo\noperator o\n", "one\ntwo\ngrader g\n"],
    ids=["no file", "one key", "no grader", "no operator"],
)
def test_a_key_of_each_role_is_needed(text: str | None, tmp_path: Path) -> None:
    """The error names the option."""
    path = tmp_path / "keys.txt"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    with pytest.raises(LoadTestError, match="--keys"):
        Keys.from_file(path)


def test_no_key_is_shown() -> None:
    """Not where an error shows the object that holds it."""
    keys = Keys.drawn()

    assert keys.polite not in repr(keys)
    assert keys.operator not in repr(keys)
