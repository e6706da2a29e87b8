"""Queries compared as text: what has no meaning is taken away, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.grading.counts import Reference
from router.grading.queries import sql_exact

QUERY = "SELECT name FROM t WHERE year >= 1990 AND club = 'Real Madrid'"


def same(answer: str, query: str) -> bool:
    return bool(sql_exact(answer, Reference(query)).hits)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(QUERY, id="the same text"),
        pytest.param(f"  {QUERY} ;\n", id="white space and a semicolon around it"),
        pytest.param(QUERY.lower(), id="lower case, quoted parts too"),
        pytest.param(QUERY.replace(" ", "\n\t", 3), id="other white space between words"),
        pytest.param(QUERY.replace(" >= ", ">=").replace(" = ", "="), id="no spaces at operators"),
        pytest.param(
            "SELECT name FROM t WHERE club = 'Real Madrid' AND year >= 1990",
            id="the conditions in another order",
        ),
    ],
)
def test_queries_that_differ_in_form_alone_are_equal(answer: str) -> None:
    """White space, letter case, a closing semicolon and the order of conditions do not matter."""
    assert same(answer, QUERY)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("", id="nothing"),
        pytest.param(QUERY.replace("name", "club"), id="another column"),
        pytest.param(QUERY.replace(">=", ">"), id="another operator"),
        pytest.param(QUERY.replace("1990", "1991"), id="another number"),
        pytest.param(QUERY.replace("Real Madrid", "RealMadrid"), id="white space in a string"),
        pytest.param(QUERY.replace("Real Madrid", "Real  Madrid"), id="more of it in a string"),
        pytest.param(f"{QUERY}; DROP TABLE t", id="a second statement"),
        pytest.param(f"Sure! {QUERY}", id="chatter around it"),
        pytest.param(QUERY.replace("SELECT name", "SELECTname"), id="words run together"),
        pytest.param(QUERY.replace("AND", "OR"), id="either for both"),
        pytest.param(QUERY.replace(" AND club = 'Real Madrid'", ""), id="a condition less"),
        pytest.param(f"{QUERY} AND club = 'Real Madrid'", id="a condition twice"),
        pytest.param(QUERY.replace("year >= 1990 AND", "AND year >= 1990"), id="a stray AND"),
        pytest.param(QUERY[:-1], id="cut inside a string"),
    ],
)
def test_another_query_is_wrong(answer: str) -> None:
    """Whatever else differs makes the answer wrong."""
    assert not same(answer, QUERY)


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        pytest.param(
            "SELECT a FROM t WHERE x = 1 AND y = 2 OR z = 3",
            "SELECT a FROM t WHERE y = 2 OR z = 3 AND x = 1",
            id="OR binds less than AND",
        ),
        pytest.param(
            "SELECT a FROM t WHERE x BETWEEN 1 AND 2",
            "SELECT a FROM t WHERE 2 AND x BETWEEN 1",
            id="the AND of BETWEEN",
        ),
        pytest.param(
            "SELECT a FROM t WHERE x = 1 AND (y = 2 AND z = 3)",
            "SELECT a FROM t WHERE z = 3) AND x = 1 AND (y = 2",
            id="parentheses",
        ),
        pytest.param(
            "SELECT a FROM (SELECT a FROM t WHERE x = 1 AND y = 2)",
            "SELECT a FROM (SELECT a FROM t WHERE y = 2) AND x = 1",
            id="a closing parenthesis alone",
        ),
        pytest.param(
            "SELECT a FROM t WHERE x = 1 AND y = 2 UNION SELECT a FROM u",
            "SELECT a FROM t WHERE y = 2 UNION SELECT a FROM u AND x = 1",
            id="what follows a UNION",
        ),
        pytest.param(
            "SELECT a FROM t WHERE x = 1 AND y = 2 ORDER BY a",
            "SELECT a FROM t WHERE y = 2 ORDER BY a AND x = 1",
            id="what follows ORDER BY",
        ),
        pytest.param(
            "SELECT a FROM t WHERE CASE WHEN x AND y THEN z END",
            "SELECT a FROM t WHERE y THEN z END AND CASE WHEN x",
            id="the AND of CASE",
        ),
    ],
)
def test_the_order_stays_where_it_means_something(answer: str, query: str) -> None:
    """Only plain conditions that are joined by AND alone may change places."""
    assert same(answer, answer)
    assert not same(answer, query)


_COLUMN = st.text("abc xyz", min_size=1).map(lambda name: '"' + name + '"')
_VALUE = st.text("abAB 1;'", max_size=5).map(lambda text: "'" + text.replace("'", "''") + "'")
_CONDITIONS = st.lists(st.tuples(_COLUMN, st.sampled_from("=<>"), _VALUE).map(" ".join), min_size=1)


@given(_CONDITIONS, st.randoms(use_true_random=False))
def test_any_order_of_any_conditions_is_the_same(conditions: list[str], rng) -> None:
    """Names and values in quotes stay whole whatever stands in them, AND and semicolons too."""
    query = "SELECT a FROM t WHERE " + " AND ".join(conditions)
    rng.shuffle(conditions)

    assert same("select A from T where " + " and ".join(conditions), query)


@given(_CONDITIONS, _CONDITIONS)
def test_other_conditions_are_wrong(one: list[str], other: list[str]) -> None:
    """Conditions are equal as multisets, letter case apart, or the queries differ."""
    first, second = ("SELECT a FROM t WHERE " + " AND ".join(of) for of in (one, other))
    equal = sorted(map(str.lower, one)) == sorted(map(str.lower, other))

    assert same(first, second) == equal


@given(st.text(), st.text())
def test_any_text_is_graded(answer: str, query: str) -> None:
    """Whatever a model says is right or wrong, never an error; a text equals itself."""
    assert isinstance(same(answer, query), bool)
    assert same(answer, answer)


def test_an_escaped_quote_belongs_to_its_string() -> None:
    """`''` does not end a string: white space after it still matters."""
    query = "SELECT a FROM t WHERE b = 'O''Neil  x'"

    assert same(query.lower(), query)
    assert not same(query.replace("  x", " x"), query)


def test_an_escaped_quote_belongs_to_its_name() -> None:
    """A quoted name with a quote in it is not two names beside each other."""
    assert not same('SELECT "a" "b" FROM t', 'SELECT "a""b" FROM t')
