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
    ("row", "named"),
    [
        pytest.param("{", "JSON", id="not JSON"),
        pytest.param({"answer": "4", "grader": "number"}, "prompt", id="no prompt"),
        pytest.param(
            ROW | {"messages": [{"role": "user", "content": "x"}]}, "messages", id="two prompts"
        ),
        pytest.param(ROW | {"grader": "taste"}, "'taste'", id="unknown grader"),
        pytest.param(ROW | {"answer": ""}, "answer", id="no answer"),
        pytest.param(ROW | {"answer": "four"}, "number", id="not gradable"),
        pytest.param(ROW | {"grader": "json", "answer": '{"a": NaN}'}, "'json'", id="not right"),
        pytest.param(
            ROW | {"grader": "sql_execution", "answer": "SELECT 1"}, "schema", id="no schema"
        ),
        pytest.param(ROW | {"answr": "4"}, "'answr'", id="unknown field"),
        pytest.param(ROW | {"max_tokens": 0}, "max_tokens", id="too few tokens"),
        pytest.param(
            {"messages": [{"role": "assistant", "content": "x"}], "grader": "judge"},
            "user",
            id="assistant last",
        ),
        pytest.param(
            '{"prompt": "\\ud800", "answer": "4", "grader": "number"}', "prompt", id="surrogate"
        ),
    ],
)
def test_a_fault_names_its_line_and_itself(tmp_path: Path, row: Any, named: str) -> None:
    """The second line here."""
    [line] = fault(tmp_path, ROW, row).splitlines()

    place, _, message = line.partition(": ")
    assert place == f"{tmp_path / 'set.jsonl'}:2"
    assert named in message


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    """Each with its line."""
    lines = fault(tmp_path, "{", ROW, "{").splitlines()

    assert [line.split(":")[1] for line in lines] == ["1", "3"]


def test_the_same_row_twice_is_a_fault(tmp_path: Path) -> None:
    """It would count for two."""
    [line] = fault(tmp_path, ROW, ROW).splitlines()

    assert line.startswith(f"{tmp_path / 'set.jsonl'}:2: ")


def test_a_judge_needs_no_answer(tmp_path: Path) -> None:
    """It may have one."""
    rows = [{"prompt": "Why?", "grader": "judge"}, ROW | {"grader": "judge"}]

    assert [row.reference.answer for row in read_rows(written(tmp_path, *rows))] == ["", "4"]


@pytest.mark.parametrize("text", ["", "\n \n"], ids=["empty", "blank"])
def test_a_file_without_rows_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """There is nothing to compare on."""
    assert str(tmp_path / "set.jsonl") in fault(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """An absent one here."""
    with pytest.raises(ComparisonError, match=r"absent\.jsonl"):
        read_rows(tmp_path / "absent.jsonl")
