"""Prompts for `niche compare` from the niches' test rows."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lab.comparison.rows import read_rows
from lab.specialists.evaluation.comparison_set import GENERALIST_PROMPTS, comparison_rows
from lab.specialists.evaluation.tasks import Question, Task, niche_tasks
from lab.specialists.niche import Example, Niche
from tests.lab.specialists.evaluation.toy_run import ONE

QUIZ = Task(
    "general",
    None,
    ("general",),
    (Question(Example("1? A. yes B. no", "A"), ("choice",)),),
    32,
    lambda _: "",
)


def rows_of(folder: Path, *niches: Niche, way: str = "plain") -> list[dict]:
    tasks = [niche_tasks(niche, 6, folder)[0] for niche in niches]
    return list(comparison_rows(tasks, folder, GENERALIST_PROMPTS[way]))


def grouped(groups: list[str]) -> Niche:
    """A niche whose test rows have these groups."""
    rows = [Example(f"q{place}", "a", group) for place, group in enumerate(groups)]
    return replace(ONE, graders=("text",), examples=lambda *_: iter(rows), other_tests={})


def test_a_row_says_whose_it_is_and_how_it_is_graded(tmp_path: Path) -> None:
    """By its task's own measure and limit."""
    row = rows_of(tmp_path, ONE)[0]

    assert row == {
        "prompt": row["prompt"],
        "answer": "yes",
        "grader": "text",
        "domain": "one",
        "max_tokens": 8,
    }


def test_a_general_question_is_asked_as_it_stands() -> None:
    """It is nobody's niche, and says itself how to answer."""
    (row,) = comparison_rows([QUIZ], Path("unused"), GENERALIST_PROMPTS["few-shot"])

    assert (row["domain"], row["grader"], row["max_tokens"]) == ("general", "choice", 32)
    assert "generalist_messages" not in row


def test_a_prompt_that_a_set_has_twice_is_asked_once() -> None:
    """Asked twice, it would count as two; the comparison refuses such a file."""
    twice = replace(QUIZ, questions=QUIZ.questions * 2)

    assert len(list(comparison_rows([twice], Path("unused"), None))) == 1


def test_the_comparison_can_read_what_is_written(tmp_path: Path) -> None:
    """Every row passes its checks."""
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, rows_of(tmp_path, ONE, way="zero-shot"))))

    assert len(read_rows(path)) == 6


@pytest.mark.parametrize(("way", "messages"), [("plain", 0), ("zero-shot", 2), ("few-shot", 18)])
def test_the_generalist_is_told_what_specialists_know(
    tmp_path: Path, way: str, messages: int
) -> None:
    """An instruction, and eight examples where wanted; the prompt itself comes last."""
    row = rows_of(tmp_path, ONE, way=way)[0]

    chat = row.get("generalist_messages", [])
    assert len(chat) == messages
    assert not chat or chat[-1] == {"role": "user", "content": row["prompt"]}


def test_rows_of_one_source_belong_together(tmp_path: Path) -> None:
    """Where there are many sources; a group of very many rows is a kind of them."""
    sources, kinds = grouped(["a", "a", "b", "c", "d", "e"]), grouped(["x"] * 3 + ["y"] * 3)

    told = [row.get("group") for row in rows_of(tmp_path, sources)]

    assert Counter(told) == {"a": 2, None: 4}
    assert {row.get("group") for row in rows_of(tmp_path, kinds)} == {None}


def test_queries_are_graded_by_what_they_return(tmp_path: Path) -> None:
    """A generalist writes them its own way; one that does not run grades nothing."""
    schema = 'CREATE TABLE t ("a" NUMERIC)'
    rows = [
        Example("good", 'SELECT "a" FROM t', schema=schema),
        Example("bad", "SELECT FROM", schema=schema),
    ]
    niche = replace(
        ONE, graders=("sql", "sql_execution"), examples=lambda *_: iter(rows), other_tests={}
    )

    found = rows_of(tmp_path, niche)

    assert [(row["prompt"], row["grader"]) for row in found] == [("good", "sql_execution")]
    assert found[0]["schema"] == schema
