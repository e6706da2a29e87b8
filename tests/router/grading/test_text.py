"""Plain texts, options, and what talkative models put around an answer."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.grading.counts import Reference
from router.grading.text import choice, json_in, mentions, query_in, text_exact

QUERY = "SELECT a FROM t WHERE b = 'x'"
OBJECT = '{"name": "f", "arguments": {"x": "}"}}'


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Yes ", "yes"),
        ("New\n  York", "new york"),
        pytest.param("ÉTAT", "état", id="accents"),
        ("", ""),
    ],
)
def test_case_and_white_space_do_not_matter(answer: str, right: str) -> None:
    """The words do."""
    assert text_exact(answer, Reference(right)).hits


@pytest.mark.parametrize(("answer", "right"), [("yes.", "yes"), ("newyork", "new york"), ("", "a")])
def test_other_words_are_wrong(answer: str, right: str) -> None:
    """Marks are part of a word, and words are not run together."""
    assert not text_exact(answer, Reference(right)).hits


@pytest.mark.parametrize(
    "answer",
    [
        "B",
        " B.",
        "(B) because of A",
        "B) the second",
        "Answer: B",
        "The answer is B, not A.",
        "A good answer is B",
        "I think it is B",
        "I'd say B",
        "Answer: I think it is B",
        "\nB\nA",
    ],
)
def test_the_option_is_found(answer: str) -> None:
    """The first letter that stands alone counts; an article and a pronoun are none."""
    assert choice(answer, Reference("B")).hits


@pytest.mark.parametrize("answer", ["", "A", "b", "Because", "A or B", "AB", "The second"])
def test_no_other_option_is(answer: str) -> None:
    """A letter in a word, a small one, or another one before it is not the option."""
    assert not choice(answer, Reference("B")).hits


@pytest.mark.parametrize(
    "answer",
    [
        "A",
        "A.",
        "A) text",
        "A is right",
        "(A)",
        "Answer: A",
        "A: it is",
        "A because B is wrong",
        "Answer: A because B is wrong",
        "**Answer:** A as it is wet",
        "The correct answer is A for all x",
    ],
)
def test_a_may_be_the_option(answer: str) -> None:
    """It is an article only before a word, and where it is no answer."""
    assert choice(answer, Reference("A")).hits


@pytest.mark.parametrize(
    ("answer", "right"),
    [("Paris.", "paris"), ("\nIt is New York, of course\n", "New York"), ("The U.S.", "the u.s")],
)
def test_a_mention_is_enough(answer: str, right: str) -> None:
    """The first line that is not empty has the words, in a row."""
    assert mentions(answer, Reference(right)).hits


@pytest.mark.parametrize(
    ("answer", "right"),
    [("", "Paris"), ("Parisian", "Paris"), ("London\nParis", "Paris"), ("York New", "New York")],
)
def test_what_is_not_mentioned_is_wrong(answer: str, right: str) -> None:
    """Other words, later lines and another order do not count."""
    assert not mentions(answer, Reference(right)).hits


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(QUERY, id="nothing around it"),
        pytest.param(f"  {QUERY}\n", id="white space"),
        pytest.param(f"```sql\n{QUERY}\n```", id="a fence"),
        pytest.param(f"```\n{QUERY}\n```\nIt selects `a`.", id="a fence without a language"),
        pytest.param(f"```{QUERY}```", id="a fence on one line"),
        pytest.param(f"```sql\n{QUERY}", id="a fence that was cut"),
        pytest.param(
            f"Sure! Here it is:\n\n```sql\n{QUERY}\n```\n\nEnjoy.", id="prose and a fence"
        ),
        pytest.param(f"Here it is: {QUERY}", id="prose before it"),
        pytest.param(f"{QUERY}\n\nThis query selects a.", id="prose after an empty line"),
        pytest.param(f"To select rows from t: {QUERY}", id="its words in the prose"),
        pytest.param(f"Use `{QUERY}` for that.", id="inline code"),
    ],
)
def test_a_query_is_unwrapped(answer: str) -> None:
    """What is said around a query goes, and nothing of the query does."""
    assert query_in(answer) == QUERY


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a FROM t WHERE b = 'x; y'",
        'SELECT "a; b" FROM t',
        "SELECT a FROM t WHERE b = 'it''s; so'",
        "SELECT `a` FROM `t`",
        "select a\nfrom t\nwhere b = 1;",
        "WITH x AS (SELECT a FROM t) SELECT a FROM x",
        "SELECT a FROM t WHERE b = '{'",
    ],
)
def test_a_query_alone_stays_whole(query: str) -> None:
    """Semicolons in quotes, quoted names and more than one line belong to it."""
    assert query_in(query) == query


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OBJECT, id="nothing around it"),
        pytest.param(f"```json\n{OBJECT}\n```", id="a fence"),
        pytest.param(f"```json {OBJECT}```", id="a fence on one line"),
        pytest.param(f"Sure: {OBJECT} Enjoy }}", id="prose around it"),
        pytest.param(f"{OBJECT}\nI select this function from all.", id="SELECT after it"),
        pytest.param(f"{OBJECT} {OBJECT}", id="more than one"),
    ],
)
def test_an_object_is_unwrapped(answer: str) -> None:
    """The first object is taken whole; braces in its strings do not end it."""
    assert json_in(answer, "{") == OBJECT


@pytest.mark.parametrize(
    ("answer", "opening", "value"),
    [
        pytest.param('[{"a": 1}, {"a": 2}]', "{", '[{"a": 1}, {"a": 2}]', id="a list"),
        pytest.param('{"error": [1, 2]}', "[", '{"error": [1, 2]}', id="an object"),
        pytest.param('"say {}"', "{", '"say {}"', id="a text"),
        pytest.param('Here:\n```json\n[{"a": 1}]\n```', "{", '[{"a": 1}]', id="a fenced list"),
    ],
)
def test_json_alone_stays_whole(answer: str, opening: str, value: str) -> None:
    """A part of another value is not cut out of it."""
    assert json_in(answer, opening) == value


def test_an_object_that_speaks_of_a_query_is_an_object() -> None:
    """Its strings may hold whatever they like."""
    said = '{"text": "please select one from these"}'

    assert json_in(f"Here: {said}", "{") == said


@pytest.mark.parametrize("answer", ["42", "", "yes, it is", "{ not closed", '{"a": "}'])
def test_without_anything_to_unwrap_the_text_stays(answer: str) -> None:
    """Numbers, words and what was cut are graded as they are."""
    assert query_in(f" {answer}\n") == answer
    assert json_in(f" {answer}\n", "{") == answer


@given(st.text("`'\"{}\\;\n selctSELCT*="))
def test_any_text_is_unwrapped(answer: str) -> None:
    """What is left is a piece of what was said, never an error."""
    assert query_in(answer) in answer
    assert json_in(answer, "{") in answer
    assert json_in(answer, "[") in answer


@pytest.mark.parametrize("letter", ["'", '"', "{", "`", "\n", " ", "'; ", "\n ", "select '"])
def test_a_loop_is_unwrapped_quickly(letter: str) -> None:
    """A model that repeats itself to its limit does not hold up the evaluation."""
    started = time.monotonic()

    query_in("select " + letter * 20_000)
    json_in("{ " + letter * 20_000, "{")

    assert time.monotonic() - started < 2
