"""Conditions: their values meet them or fail them, whatever they are written with."""

import random
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.grading.conditions import conditions_of, matched_columns

NAMES = ["city", "age", "day"]


@pytest.mark.parametrize(
    "condition",
    [
        "city = 'Paris'",
        'city = "Paris"',
        "city == 'Paris'",
        "'Paris' = city",
        "age > -5",
        "30 < age",
        "x.age >= 30",
        "age IN (3, 5, 7)",
        "age NOT IN (3, 5, 7)",
        "city IN ('Paris', 'Rome')",
        "age BETWEEN -3 AND 30",
        "age NOT BETWEEN 18 AND 30",
        "city LIKE '%smith%'",
        "city LIKE 'A%'",
        "city LIKE '_b%'",
        "city NOT LIKE '%z'",
        "city GLOB 'Par*'",
        "city IS NULL",
        "city IS NOT NULL",
        "lower(city) = 'paris'",
        "trim(city) LIKE 'p%'",
        "coalesce(age, 3) > 30",
        "strftime('%Y', day) = '2024'",
        "strftime('%Y-%m', day) < '2024-03'",
        "CAST(strftime('%Y', day) AS INTEGER) >= 2024",
        "strftime('%Y', day) != '9999'",
    ],
)
def test_a_value_meets_its_condition_or_fails_it(condition: str) -> None:
    """As sqlite sees it."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE x (city TEXT, age INT, day DATE)")
    [(name, draw)] = conditions_of(f"SELECT 1 FROM x WHERE {condition}", NAMES)
    rng = random.Random(0)

    for holds in [True, False] * 20:
        database.execute(f"INSERT INTO x ({name}) VALUES (?)", [draw(holds, rng)])
        found = database.execute(f"SELECT count(*) FROM x WHERE {condition}").fetchone()
        database.execute("DELETE FROM x")
        assert found == (int(holds),)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ' age IN (3)' FROM x",
        'SELECT "in" FROM x WHERE "like" IS NOT city',
        "SELECT age FROM x -- WHERE age IN (3)",
        "SELECT count(*) FROM x HAVING count(*) > 3",
        "SELECT age FROM x WHERE other IN (3)",
    ],
)
def test_what_is_no_condition_on_a_column_is_none(query: str) -> None:
    """In a text or comment, on other names, or on none."""
    assert conditions_of(query, NAMES) == []


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT a.x FROM a JOIN b ON a.Id = b.a_id", {"id", "a_id"}),
        ("SELECT x FROM a WHERE id IN (SELECT a_id FROM b)", {"id", "a_id"}),
        ("SELECT city FROM a WHERE x = 'y' AND 3 = z", set()),
    ],
)
def test_columns_that_are_matched_are_found(query: str, columns: set[str]) -> None:
    """With each other, and with no literal."""
    assert matched_columns(query) == columns


WORDS = ["city", "age", "(", ")", ",", ".", "=", "==", "<", "IN", "IS", "NOT", "LIKE", "'%'", "3"]


@given(st.lists(st.sampled_from([*WORDS, "NULL", "-", "AND", "BETWEEN", "''"])))
@settings(deadline=None)
def test_any_query_is_read(words: list[str]) -> None:
    """Whatever stands where, conditions are found or not."""
    rng = random.Random(0)

    for _, draw in conditions_of(" ".join(words), NAMES):
        draw(True, rng)
    matched_columns(" ".join(words))
