"""What was learnt so far, on disk."""

from pathlib import Path

import pytest

from lab.comparison.errors import ComparisonError
from lab.comparison.journal import Journal

CONDITIONS = {"margin": 0.02, "seed": 0}


def test_lines_come_back_in_their_order(tmp_path: Path) -> None:
    """Another process finds them."""
    path = tmp_path / "outcomes.jsonl"
    for number in range(3):
        Journal(path, CONDITIONS).append({"number": number})

    assert Journal(path, CONDITIONS).read() == [{"number": number} for number in range(3)]


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    """No file, no lines."""
    assert Journal(tmp_path / "none.jsonl", CONDITIONS).read() == []


def test_half_a_line_is_taken_away(tmp_path: Path) -> None:
    """A kill may leave one; what is written next stands on its own line."""
    path = tmp_path / "outcomes.jsonl"
    journal = Journal(path, CONDITIONS)
    journal.append({"number": 0})
    with path.open("a") as file:
        file.write('{"numb')

    assert journal.read() == [{"number": 0}]
    journal.append({"number": 1})
    assert journal.read() == [{"number": 0}, {"number": 1}]


def test_half_a_header_is_no_file(tmp_path: Path) -> None:
    """The first write was cut."""
    path = tmp_path / "outcomes.jsonl"
    path.write_text('{"mar')
    journal = Journal(path, CONDITIONS)

    assert journal.read() == []
    journal.append({"number": 1})
    assert journal.read() == [{"number": 1}]


def test_other_conditions_are_refused(tmp_path: Path) -> None:
    """The margin was fixed when the first answer was kept."""
    path = tmp_path / "outcomes.jsonl"
    Journal(path, CONDITIONS).append({"number": 0})

    with pytest.raises(ComparisonError, match=r"margin.*0\.02.*0\.05.*--out"):
        Journal(path, CONDITIONS | {"margin": 0.05}).read()
