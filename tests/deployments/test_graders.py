"""Graders: what counts as the same answer, and what does not."""

import pytest

from deployments.graders import GRADERS, json_equal, sql_equal

QUERY = "SELECT name FROM t WHERE year >= 1990 AND club = 'Real Madrid'"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(QUERY, id="the same text"),
        pytest.param(f"  {QUERY} ;\n", id="white space and a semicolon around it"),
        pytest.param(QUERY.lower(), id="lower case, quoted parts too"),
        pytest.param(QUERY.replace(" ", "\n\t", 3), id="other white space between words"),
        pytest.param(QUERY.replace(" >= ", ">=").replace(" = ", "="), id="no spaces at operators"),
    ],
)
def test_queries_that_differ_in_form_alone_are_equal(answer: str) -> None:
    """White space, letter case and a closing semicolon do not matter."""
    assert sql_equal(answer, QUERY)


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
    ],
)
def test_another_query_is_wrong(answer: str) -> None:
    """Whatever else differs makes the answer wrong."""
    assert not sql_equal(answer, QUERY)


def test_an_escaped_quote_belongs_to_its_string() -> None:
    """`''` does not end a string: white space after it still matters."""
    query = "SELECT a FROM t WHERE b = 'O''Neil  x'"

    assert sql_equal(query.lower(), query)
    assert not sql_equal(query.replace("  x", " x"), query)


def test_an_unclosed_string_is_graded() -> None:
    """An answer that was cut inside a string is wrong, and no error."""
    assert not sql_equal(QUERY[:-1], QUERY)


CALL = '{"name": "PlayMusic", "arguments": {"artist": "Björk", "year": 1995, "genre": ["a", "b"]}}'


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(CALL, id="the same text"),
        pytest.param(f"\n {CALL} ", id="white space around it"),
        pytest.param(CALL.replace(" ", ""), id="no white space"),
        pytest.param(CALL.replace("ö", "\\u00f6"), id="an escaped letter"),
        pytest.param(
            '{"arguments": {"year": 1995, "genre": ["a", "b"], "artist": "Björk"}, '
            '"name": "PlayMusic"}',
            id="another order of keys",
        ),
    ],
)
def test_json_that_differs_in_form_alone_is_equal(answer: str) -> None:
    """Values are compared, not their spelling."""
    assert json_equal(answer, CALL)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("", id="nothing"),
        pytest.param(CALL[:-1], id="cut"),
        pytest.param(f"```json\n{CALL}\n```", id="fenced"),
        pytest.param(f"{CALL} {CALL}", id="twice"),
        pytest.param(CALL.replace("Björk", "björk"), id="another letter case"),
        pytest.param(CALL.replace("1995", '"1995"'), id="a string for a number"),
        pytest.param(CALL.replace('"a", "b"', '"b", "a"'), id="another order in a list"),
        pytest.param(CALL.replace(', "year": 1995', ""), id="an argument less"),
    ],
)
def test_other_json_is_wrong(answer: str) -> None:
    """What is not the same JSON value is a wrong answer, never an error."""
    assert not json_equal(answer, CALL)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("[" * 100_000, id="nested deeper than a parser goes"),
        pytest.param("1" * 10_000, id="a number too long to be read"),
    ],
)
def test_json_that_no_parser_takes_is_wrong(answer: str) -> None:
    """A model that repeats itself gives a wrong answer; it does not end the evaluation."""
    assert not json_equal(answer, CALL)


@pytest.mark.parametrize("name", sorted(GRADERS))
def test_a_grader_tells_a_right_answer_from_an_empty_one(name: str) -> None:
    """Each grader by name accepts the expected answer and refuses silence."""
    right = {"sql": QUERY, "json": CALL}[name]

    assert GRADERS[name](right, right)
    assert not GRADERS[name]("", right)
