"""`sql`: queries, prompts, and training rows whose answers follow from their questions."""

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.specialists.niches.sql import NICHE, _to_learn, prompt, query
from router.grading.execution import table_schema

_NAME = st.text("ab \"'`;-é", min_size=1, max_size=6).filter(str.strip)
_TEXT = st.text("ab \"'`;-é\n", max_size=8)


def test_a_prompt_names_the_columns_and_the_question() -> None:
    """The specialist reads one line of columns and one with the question."""
    assert prompt(["a b", "c"], "How many?") == "Columns: a b, c\nQuestion: How many?"


@pytest.mark.parametrize(
    ("aggregate", "conditions", "text"),
    [
        ("", [], 'SELECT "a b" FROM t'),
        ("MAX", [], 'SELECT MAX("a b") FROM t'),
        ("", [("c", "=", "x")], 'SELECT "a b" FROM t WHERE "c" = \'x\''),
        (
            "COUNT",
            [("c", ">", "1"), ("d", "=", "O'Neil")],
            "SELECT COUNT(\"a b\") FROM t WHERE \"c\" > '1' AND \"d\" = 'O''Neil'",
        ),
    ],
)
def test_a_query_has_its_parts(
    aggregate: str, conditions: list[tuple[str, str, str]], text: str
) -> None:
    """Names in double quotes, values in single ones, quotes within them doubled."""
    assert query("t", aggregate, "a b", conditions) == text


@given(_NAME, _NAME, _TEXT)
def test_every_query_runs_and_compares_as_said(selected: str, column: str, value: str) -> None:
    """Whatever stands in a name or a value, the query reads that column and finds that value."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(table_schema([selected, column]))
        names = [row[1] for row in database.execute("PRAGMA table_info(t)")]
        row = [value if name.lower() == column.lower() else "here" for name in names]
        database.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(row))})", row)
        found = database.execute(query("t", "", selected, [(column, "=", value)])).fetchall()

    assert len(found) == 1


def row(question: str, *conditions: tuple[str, str, object]) -> dict[str, Any]:
    return {
        "columns": ["player name", "year", "club"],
        "question": question,
        "sel": "player name",
        "agg": "",
        "conds": conditions,
        "table_id": "1-2",
    }


def test_conditions_stand_in_the_questions_order() -> None:
    """The answer follows the question; the set has its conditions now so, now otherwise."""
    learnt = _to_learn(
        row("Who was at Ajax in 1995?", ("year", "=", "1995"), ("club", "=", "Ajax")), "validation"
    )

    assert learnt.answer.endswith("WHERE \"club\" = 'Ajax' AND \"year\" = '1995'")


def test_values_are_written_as_the_question_writes_them() -> None:
    """Letter case is the question's: a model can copy it."""
    learnt = _to_learn(row("who was at ajax?", ("club", "=", "Ajax")), "validation")

    assert learnt.answer.endswith("\"club\" = 'ajax'")


def test_a_value_that_the_question_does_not_have_stays_and_comes_last() -> None:
    """It is neither lost nor changed."""
    learnt = _to_learn(
        row("Who was at Ajax?", ("year", ">", 1995), ("club", "=", "Ajax")), "validation"
    )

    assert learnt.answer.endswith("\"club\" = 'Ajax' AND \"year\" > '1995'")


def test_a_row_keeps_its_table_as_its_group() -> None:
    """Tables are what must not be on both sides."""
    assert _to_learn(row("Who?"), "train").group == "1-2"


def test_validation_rows_keep_the_one_layout() -> None:
    """Only training rows are restyled."""
    for number in range(100):
        learnt = _to_learn(row(f"Who was at club {number}?"), "validation")
        assert learnt.prompt.startswith("Columns: player name, year, club\nQuestion: Who")


def test_every_layout_keeps_the_question() -> None:
    """No layout loses what is asked, whichever is drawn."""
    for number in range(200):
        question = f"what is the score of team {number}?"
        assert question in NICHE.restyle(prompt(["team", "score"], question)).lower()


def test_layouts_vary_and_stay() -> None:
    """A prompt always gets the same layout; many prompts get many."""
    prompts = [prompt(["team"], f"Q{number}") for number in range(200)]

    made = [NICHE.restyle(text) for text in prompts]

    assert len({text[:6] for text in made}) > 8
    assert made == [NICHE.restyle(text) for text in prompts]


@pytest.fixture(scope="module")
def restyled() -> list[tuple[str, str]]:
    """(prompt, answer) of training rows that came in another layout."""
    learnt = [
        _to_learn(row(f"Who was at Ajax {n}?", ("club", "=", f"AJAX {n}")), "train")
        for n in range(2000)
    ]
    own = "Columns: player name, year, club\nQuestion: Who was at Ajax "
    return [(of.prompt, of.answer) for of in learnt if not of.prompt.startswith(own)]


def test_a_share_of_the_training_rows_is_restyled(restyled: list[tuple[str, str]]) -> None:
    """Users write in more than one way, though most in the specialist's own."""
    assert 0.05 * 2000 < len(restyled) < 0.2 * 2000
    assert len({prompt[:8] for prompt, _ in restyled}) > 8


def test_a_restyled_row_asks_of_the_table_that_it_names(restyled: list[tuple[str, str]]) -> None:
    """The query's table is the one in the text, and `t` where the text names none."""
    for text, answer in restyled:
        (table,) = re.findall(r"FROM (\w+)", answer)
        assert table == "t" or re.search(rf"\b{table}\b", text), (text, answer)


def test_a_restyled_row_has_the_columns_that_it_names(restyled: list[tuple[str, str]]) -> None:
    """Each quoted name of the query stands in the text, with underscores where it has them."""
    assert any('"player_name"' in answer for _, answer in restyled)
    for text, answer in restyled:
        for name in re.findall(r'"([^"]*)"', answer):
            assert name in text, (text, answer)


def test_a_restyled_row_has_the_value_that_it_names(restyled: list[tuple[str, str]]) -> None:
    """The value is in the letter case of the text, also where that is all small."""
    values = {re.findall(r"'([^']*)'", answer)[0].split()[0] for _, answer in restyled}

    assert values == {"Ajax", "ajax"}
    for text, answer in restyled:
        (value,) = re.findall(r"'([^']*)'", answer)
        assert value in text, (text, answer)
