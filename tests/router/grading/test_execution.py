"""Queries that are run: the same rows are right, neighbours are caught, hostile ones do nothing."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lab.specialists.niches.sql import query
from router.grading.counts import Reference
from router.grading.execution import sql_execution, table_schema

COLUMNS = ["name", "year", "home town", "score"]
SCHEMA = table_schema(COLUMNS)
QUERY = 'SELECT "name" FROM t WHERE "year" > 1990 AND "home town" = \'Köln\''

Condition = tuple[str, str, str]


def same(answer: str, right: str = QUERY, schema: str = SCHEMA) -> bool:
    return bool(sql_execution(answer, Reference(right, schema)).hits)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(QUERY, id="the same text"),
        pytest.param(f"  {QUERY} ;\n", id="white space and a semicolon around it"),
        pytest.param(QUERY.replace("1990", "'1990'"), id="a number in quotes"),
        pytest.param(QUERY.replace("Köln", "KÖLN"), id="another letter case in a value"),
        pytest.param(QUERY.replace('"name"', "Name"), id="another letter case in a name"),
        pytest.param(QUERY.replace('"home town"', "`home town`"), id="other quotes"),
        pytest.param(QUERY.replace("> 1990", ">= 1990 AND year != 1990"), id="said otherwise"),
        pytest.param(f"{QUERY} ORDER BY score", id="an order where none is asked for"),
        pytest.param(f"SELECT x.n FROM (SELECT name AS n FROM ({QUERY})) x", id="nested"),
        pytest.param(QUERY.replace("= 'K", "LIKE 'K"), id="a likeness"),
    ],
)
def test_a_query_that_returns_the_same_rows_is_right(answer: str) -> None:
    """However it is written."""
    assert same(answer)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("", id="nothing"),
        pytest.param("-- nothing", id="a comment"),
        pytest.param("SELECT", id="half a query"),
        pytest.param(f"Sure! {QUERY}", id="chatter before it"),
        pytest.param(QUERY.replace("FROM t", "FROM players"), id="another table"),
        pytest.param(QUERY.replace('"name"', '"name", "year"'), id="a column more"),
        pytest.param(QUERY.replace("SELECT", "SELECT DISTINCT 1,"), id="other values"),
        pytest.param(f"{QUERY} LIMIT 1", id="fewer rows"),
        pytest.param(f"{QUERY} UNION ALL {QUERY}", id="every row twice"),
        pytest.param(QUERY.replace("SELECT", "EXPLAIN SELECT"), id="a plan"),
    ],
)
def test_other_rows_are_wrong(answer: str) -> None:
    """No rows, other rows, more and fewer of them, and what does not run."""
    assert not same(answer)


def test_a_reference_that_finds_nothing_grades_nothing() -> None:
    """It would accept whatever finds nothing, so it is refused; other answers are wrong."""
    for empty in ("SELECT name", "SELECT count(*)", "SELECT max(score)"):
        reference = f"{empty} FROM t WHERE year = 1 AND year = 2"

        with pytest.raises(ValueError, match="finds nothing"):
            same(reference, reference)
        assert not same("", reference)
        assert not same("-- no rows", reference)
        assert not same("SELECT name, year FROM t WHERE 0", reference)


def test_the_order_counts_where_it_is_asked_for() -> None:
    """The reference's ORDER BY makes its order part of what is right."""
    ordered = 'SELECT "name" FROM t ORDER BY "score" DESC'

    assert same("select name from t order by score desc", ordered)
    assert not same('SELECT "name" FROM t ORDER BY "score"', ordered)
    assert not same('SELECT "name" FROM t', ordered)


PEOPLE = (
    "CREATE TABLE c (id INTEGER PRIMARY KEY, name TEXT, city TEXT, signup DATE, age INT, "
    "status TEXT CHECK (status IN ('open', 'closed')));"
    "CREATE TABLE visit (c_id INT, place TEXT)"
)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("name FROM c WHERE name LIKE '%smith%'", "name FROM c WHERE name LIKE '%jones%'"),
        ("name FROM c WHERE city IN ('Paris', 'Rome')", "name FROM c WHERE city IN ('Oslo')"),
        ("count(*) FROM c WHERE name LIKE 'A%'", "count(*) FROM c WHERE city LIKE 'Z%'"),
        ("name FROM c WHERE lower(city) = 'paris'", "1 WHERE 0"),
        ("name FROM c WHERE city IS NULL", "id, age FROM c WHERE 1 = 0"),
        ("age FROM c WHERE status = 'open'", "age FROM c WHERE status = 'closed'"),
        ("age FROM c WHERE age > 7", "id FROM c WHERE age > 7"),
        ("name FROM c WHERE id = 7", "name FROM c WHERE id = 8"),
        ("name FROM c WHERE id IN (7, 8, 9)", "name FROM c WHERE id IN (7, 8)"),
        ("name FROM c WHERE strftime('%Y', signup) = '2024'", "name FROM c WHERE 0"),
        ("name FROM c JOIN visit ON c.id = c_id WHERE place = 'Rome'", "1 WHERE 0"),
        ("city FROM c GROUP BY city HAVING count(*) > 2", "city FROM c WHERE 0"),
    ],
)
def test_a_query_of_any_condition_finds_rows(right: str, wrong: str) -> None:
    """So that what finds nothing, or something else, is wrong."""
    assert same(f"SELECT {right}", f"SELECT {right}", PEOPLE)
    assert not same(f"SELECT {wrong}", f"SELECT {right}", PEOPLE)


COUNTED = "SELECT town, count(*) FROM club GROUP BY town ORDER BY count(*) DESC"
CLUBS = "CREATE TABLE club (id INTEGER PRIMARY KEY, town TEXT, size INT)"


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        (COUNTED, "SELECT town, count(*) AS n FROM club GROUP BY town ORDER BY n DESC, town", True),
        (COUNTED, "SELECT town, count(*) FROM club GROUP BY 1 ORDER BY 2 DESC, 1 DESC", True),
        (COUNTED, "SELECT town, count(*) FROM club GROUP BY town ORDER BY 2, 1", False),
        (COUNTED, "SELECT town, count(*) FROM club GROUP BY town ORDER BY town", False),
        (
            f"{COUNTED} LIMIT 7 OFFSET 2;",
            "SELECT town, count(*) FROM club GROUP BY 1 ORDER BY 2 DESC, 1 DESC LIMIT 2, 7",
            True,
        ),
        (f"{COUNTED} LIMIT 7", "SELECT town, count(*) FROM club GROUP BY 1 LIMIT 7", False),
        ("SELECT * FROM (SELECT size FROM club ORDER BY size)", "SELECT size FROM club", True),
        ("SELECT size, 'order by' FROM club", "SELECT size, 'order by' FROM club ORDER BY 1", True),
        (
            "SELECT size FROM club UNION SELECT id FROM club ORDER BY size",
            "SELECT id FROM club UNION SELECT size FROM club ORDER BY 1",
            True,
        ),
    ],
)
def test_ties_may_come_in_any_order(reference: str, answer: str, right: bool) -> None:
    """The order counts as far as the reference's own ORDER BY determines it."""
    assert same(reference, reference, CLUBS)
    assert same(answer, reference, CLUBS) == right


def test_columns_that_differ_in_case_alone_are_one() -> None:
    """sqlite holds them to be the same; a table can have but one of them."""
    schema = table_schema(["Year", "year", "name"])

    assert same("SELECT YEAR FROM t", 'SELECT "year" FROM t', schema)
    assert not same("SELECT name FROM t", 'SELECT "year" FROM t', schema)


def test_other_letters_case_makes_two_columns() -> None:
    """sqlite folds the case of ASCII letters alone, and so does the schema."""
    schema = table_schema(["État", "état"])

    assert not same('SELECT "État" FROM t', 'SELECT "état" FROM t', schema)


@pytest.mark.parametrize("value", ["nan", "inf", "1_000", "1e999", "", " ", "0", "'", "5 ", "007"])
def test_odd_values_are_still_compared(value: str) -> None:
    """What Python takes for a number and sqlite does not, and the other way round."""
    conditions = [("year", "=", value)]
    right = query("t", "", "name", conditions)

    assert same(right, right)
    assert not same(query("t", "", "name", []), right)
    assert not same(query("t", "", "name", [("year", "=", f"{value}x")]), right)


def test_columns_need_no_quotes() -> None:
    """Conditions on plain names decide the rows too: the right query finds some."""
    right = "SELECT name FROM t WHERE year = 'spring' AND score > 3"

    assert not same("SELECT name FROM t WHERE 0", right)
    assert not same("SELECT name FROM t WHERE year = 'spring'", right)


def test_the_schema_may_have_rules() -> None:
    """Rows that a key or a check refuses are left out, and the rest tells queries apart."""
    schema = (
        "CREATE TABLE club (id INTEGER PRIMARY KEY, town TEXT NOT NULL, size INTEGER CHECK "
        "(size > 10)); CREATE TABLE player (id INTEGER UNIQUE, club_id INTEGER, age REAL);"
    )
    right = "SELECT town FROM club WHERE size > 500"

    assert same(right, right, schema)
    assert not same("SELECT town FROM club WHERE size >= 600", right, schema)


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        (Reference(QUERY), "schema"),
        (Reference("SELECT nothing FROM nowhere", SCHEMA), "reference"),
        (Reference("", SCHEMA), "reference"),
        (Reference(QUERY, "CREATE TABLE t (a, a)"), "schema"),
    ],
    ids=["no schema", "unknown table", "empty", "no such schema"],
)
def test_a_reference_that_cannot_be_run_grades_nothing(reference: Reference, named: str) -> None:
    """That is an error in the data, and no answer's fault."""
    with pytest.raises(ValueError, match=named):
        sql_execution(QUERY, reference)


@pytest.mark.parametrize(
    ("first", "step"),
    [
        pytest.param("SELECT 1 AS x", "SELECT a.x FROM {0} a, {0} b", id="table"),
        pytest.param("SELECT year AS x FROM t", "SELECT x + x + x AS x FROM {0}", id="sum"),
    ],
)
def test_a_query_that_is_slow_to_compile_is_wrong_at_once(first: str, step: str) -> None:
    """Tables or columns that each name the one before twice double the compiler's work."""
    chain = (f"c{i} AS ({step.format(f'c{i - 1}')})" for i in range(1, 24))
    started = time.monotonic()

    assert not same(f"WITH c0 AS ({first}), {', '.join(chain)} SELECT x FROM c23")
    assert time.monotonic() - started < 4


def test_a_query_of_too_many_letters_is_wrong() -> None:
    """No right one comes near."""
    assert same(QUERY + " " * 1000 + "AND 1")
    assert not same(QUERY + " " * 20_000 + "AND 1")


_VALUE = st.text("abcÄ 17'-.", min_size=1, max_size=6) | st.integers(-50, 3000).map(str)


@st.composite
def parts(draw: st.DrawFn) -> tuple[str, str, list[Condition]]:
    """Aggregate, selected column, and conditions on other columns, as WikiSQL has them."""
    order = draw(st.permutations(COLUMNS))
    signs = st.sampled_from("=<>")
    conditions = [
        (column, draw(signs), draw(_VALUE)) for column in order[1 : draw(st.integers(2, 4))]
    ]
    return draw(st.sampled_from(["", "MAX", "MIN", "COUNT", "SUM", "AVG"])), order[0], conditions


def mutants(aggregate: str, column: str, conditions: list[Condition]) -> Iterator[str]:
    for other in ("", "MAX", "MIN", "COUNT", "SUM", "AVG"):
        if other != aggregate:
            yield query("t", other, column, conditions)
    for other in COLUMNS:
        # The count of one column is that of another, where no cell is empty.
        if other != column and aggregate != "COUNT":
            yield query("t", aggregate, other, conditions)
    for place, (name, sign, value) in enumerate(conditions):
        before, after = conditions[:place], conditions[place + 1 :]
        yield query("t", aggregate, column, before + after)
        for other in ("=", "<", ">", "<=", ">=", "!="):
            if other != sign:
                yield query("t", aggregate, column, [*before, (name, other, value), *after])


@given(parts())
@settings(deadline=None, max_examples=50)
def test_a_query_agrees_with_itself(made: tuple[str, str, list[Condition]]) -> None:
    """Whatever it asks for, and with its conditions in any order."""
    aggregate, column, conditions = made
    right = query("t", aggregate, column, conditions)

    for order in itertools.permutations(conditions):
        assert same(query("t", aggregate, column, list(order)), right)


@given(parts())
@settings(deadline=None, max_examples=50, derandomize=True, phases=[Phase.generate])
def test_neighbours_are_caught(made: tuple[str, str, list[Condition]]) -> None:
    """Another aggregate, column or operator, and a dropped condition return other rows; of a
    query's twenty or so neighbours, one may agree by chance."""
    right = query("t", *made)
    missed = [mutant for mutant in mutants(*made) if same(mutant, right)]

    assert len(missed) <= 1, missed


@given(parts(), st.data())
@settings(deadline=None, max_examples=50, derandomize=True)
def test_another_value_is_caught(
    made: tuple[str, str, list[Condition]], data: st.DataObject
) -> None:
    """A condition on something else returns other rows; equality with it surely does."""
    _, column, [(name, _, value), *rest] = made
    other = data.draw(_VALUE.filter(lambda text: _differ(text, value)))
    right = query("t", "", column, [(name, "=", value), *rest])

    assert not same(query("t", "", column, [(name, "=", other), *rest]), right)


def _differ(one: str, other: str) -> bool:
    try:
        return float(one) != float(other)
    except ValueError:
        return one.lower() != other.lower()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("DELETE FROM t", id="deletes"),
        pytest.param("INSERT INTO t VALUES (1, 2, 3, 4)", id="inserts"),
        pytest.param("UPDATE t SET name = 1 RETURNING name", id="updates and returns"),
        pytest.param("DROP TABLE t", id="drops"),
        pytest.param("CREATE TEMP TABLE x AS SELECT * FROM t", id="creates"),
        pytest.param("ATTACH 'FILE' AS other", id="attaches a file"),
        pytest.param("VACUUM INTO 'FILE'", id="writes a file"),
        pytest.param("PRAGMA query_only = 1", id="a pragma"),
        pytest.param("SELECT * FROM pragma_database_list", id="a pragma as a table"),
        pytest.param("SELECT load_extension('FILE')", id="loads an extension"),
        pytest.param("BEGIN", id="begins a transaction"),
        pytest.param(f"{QUERY}; {QUERY}", id="two statements"),
        pytest.param(f"{QUERY}\0", id="a NUL byte"),
        pytest.param(f"{QUERY} -- \ud800", id="half a character"),
        pytest.param(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
            id="never ends",
        ),
        pytest.param("SELECT count(*) FROM t a, t b, t c, t d, t e, t f", id="a huge product"),
        pytest.param("SELECT zeroblob(1000000000)", id="a huge blob"),
        pytest.param("SELECT printf('%.1000000000c', 'x') FROM t", id="a huge text"),
        pytest.param("SELECT " + ", ".join(["randomblob(90000)"] * 1500) + " FROM t", id="wide"),
        pytest.param("SELECT hex(randomblob(90000)) FROM t, t a, t b", id="many large rows"),
        pytest.param(
            "SELECT replace(replace(group_concat(a.name), '1', 'aaaaaaaaaa'), 'aaab', '') "
            "FROM t a, t b, t c GROUP BY b.name, c.name",
            id="slow functions",
        ),
        pytest.param("SELECT name LIKE '" + "%a" * 5000 + "' FROM t", id="a slow pattern"),
        pytest.param("SELECT " + "(" * 10_000 + "1" + ")" * 10_000, id="deeply nested"),
        pytest.param("SELECT " + "1 + " * 50_000 + "1", id="a long sum"),
        pytest.param(" UNION ALL ".join(["SELECT 1"] * 5000), id="many selects"),
        pytest.param("SELECT '" + "x" * 1_000_000 + "'", id="a long text"),
    ],
)
def test_a_hostile_answer_is_wrong_and_does_nothing(answer: str, tmp_path: Path) -> None:
    """It is graded in a moment, whatever it tries, and no file is there afterwards."""
    started = time.monotonic()

    assert not same(answer.replace("FILE", str(tmp_path / "written")))
    assert time.monotonic() - started < 10
    assert not list(tmp_path.iterdir())
    assert same(QUERY)


@given(st.text())
@settings(deadline=None, max_examples=50)
def test_any_text_is_graded(answer: str) -> None:
    """Whatever a model says is right or wrong, never an error."""
    assert isinstance(same(answer), bool)
