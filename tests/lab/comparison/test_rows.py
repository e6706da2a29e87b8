"""The prompts of a comparison: what is read, and how faults are told."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.comparison.errors import ComparisonError
from lab.comparison.rows import read_rows

ROW: dict[str, Any] = {"prompt": "2 + 2", "answer": "4", "grader": "number"}


def written(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "set.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def fault(folder: Path, *rows: dict[str, Any] | str) -> str:
    with pytest.raises(ComparisonError) as told:
        read_rows(written(folder, *rows))
    return str(told.value)


def test_a_prompt_is_a_chat_of_one(tmp_path: Path) -> None:
    """And everybody is asked it."""
    (row,) = read_rows(written(tmp_path, ROW))

    assert [(turn.role, turn.content) for turn in row.chat] == [("user", "2 + 2")]
    assert row.generalist_chat == row.chat


def test_the_generalist_may_be_asked_in_another_way(tmp_path: Path) -> None:
    """Where it needs to be told more."""
    asked = [{"role": "system", "content": "Calculate."}, {"role": "user", "content": "2 + 2"}]
    (row,) = read_rows(written(tmp_path, ROW | {"generalist_messages": asked}))

    assert len(row.chat) == 1
    assert [turn.content for turn in row.generalist_chat] == ["Calculate.", "2 + 2"]


def test_a_row_is_known_by_all_that_it_says(tmp_path: Path) -> None:
    """Another prompt, answer or instruction is another row."""
    others = [ROW | {"prompt": "1 + 3"}, ROW | {"answer": "4.0"}, ROW | {"domain": "math"}]

    rows = read_rows(written(tmp_path, ROW, *others))

    assert len({row.key for row in rows}) == 4


def test_empty_lines_and_a_byte_order_mark_are_passed_over(tmp_path: Path) -> None:
    """As editors leave them."""
    path = tmp_path / "set.jsonl"
    path.write_text(f"\ufeff{json.dumps(ROW)}\n\n", encoding="utf-8")

    assert len(read_rows(path)) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "not JSON"),
        ({"answer": "4", "grader": "number"}, "either prompt or messages"),
        (ROW | {"messages": [{"role": "user", "content": "x"}]}, "either prompt or messages"),
        (ROW | {"grader": "taste"}, "no grader 'taste'; known: choice"),
        (ROW | {"answer": ""}, "no answer"),
        (ROW | {"answer": "four"}, "has no number"),
        (ROW | {"grader": "json", "answer": '{"a": NaN}'}, "not right by the grader"),
        (ROW | {"grader": "sql_execution", "answer": "SELECT 1"}, "needs the table's schema"),
        (ROW | {"answr": "4"}, "unknown field 'answr'; allowed: prompt"),
        (ROW | {"max_tokens": 0}, "max_tokens"),
        (
            {"messages": [{"role": "assistant", "content": "x"}], "grader": "judge"},
            "end with the user's",
        ),
    ],
)
def test_a_fault_names_its_line_and_itself(tmp_path: Path, row: Any, said: str) -> None:
    """The second line here."""
    told = fault(tmp_path, ROW, row)

    assert told.startswith("set.jsonl, line 2: ")
    assert said in told


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Up to a number."""
    told = fault(tmp_path, *["{"] * 30).split("\n")

    assert (len(told), told[-1]) == (21, "and 10 more")


def test_a_row_that_stands_there_twice_is_told(tmp_path: Path) -> None:
    """It would count for two."""
    assert "line 2: stands there twice" in fault(tmp_path, ROW, ROW)


def test_a_judge_needs_no_answer(tmp_path: Path) -> None:
    """It may have one."""
    rows = [{"prompt": "Why?", "grader": "judge"}, ROW | {"grader": "judge"}]

    assert [row.reference.answer for row in read_rows(written(tmp_path, *rows))] == ["", "4"]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_rows_is_told(tmp_path: Path, text: str) -> None:
    """There is nothing to compare on."""
    assert "holds no rows" in fault(tmp_path, text)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(ComparisonError, match=r"absent\.jsonl: cannot be read"):
        read_rows(tmp_path / "absent.jsonl")
