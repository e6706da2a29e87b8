"""Answers that are nothing but a form, and the words around them."""

import pytest

from router.bare_answers import introduced, is_bare

BARE = [
    '{"intent": "card_arrival"}',
    '{"name": "PlayMusic", "arguments": {"artist": "Miles Davis"}}',
    ' ["a", "b"]\n',
    'SELECT "name" FROM t WHERE "country" = \'France\'',
    "WITH x AS (SELECT 1)\nSELECT * FROM x;",
    "48 - 29 = 19",
    "(5 * 6) - 14 =",
    "x = (4 + 2) / 3",
    "card_arrival",
    "positive",
    "42",
    "```sql\nSELECT 1\n```",
]
PROSE = [
    "",
    " \n",
    "Hello!",
    "Yes.",
    "You're welcome",
    "With regards to your question: no.",
    "Select the file from the list.",
    "The result is 48 - 29 = 19.",
    'Here it is: {"intent": "card_arrival"}',
    '{"intent": "card_arrival"} is what I found',
    "{name} is a placeholder",
    "```a``` and ```b```",
    "[1] has the details",
    "SELECT 1\n\nThis query gives one.",
]


@pytest.mark.parametrize("answer", BARE)
def test_a_form_alone_is_bare(answer):
    """JSON, a query, an equation, a label, a block of code."""
    assert is_bare(answer)


@pytest.mark.parametrize("answer", PROSE)
def test_prose_is_not_bare(answer):
    """Also prose that holds such a form, or begins as one."""
    assert not is_bare(answer)


def test_json_without_an_end_is_not_bare():
    """Nor is it worth a failure: it may be nested without limit."""
    assert not is_bare("[" * 100_000)


@pytest.mark.parametrize("answer", BARE)
@pytest.mark.parametrize("at", [1, 3, 5])
def test_words_come_around_an_answer_once(answer, at):
    """What is introduced holds the answer, and is prose."""
    assert answer in introduced(answer, at)
    assert not is_bare(introduced(answer, at))


def test_answers_in_a_row_have_other_words():
    """The same words twice would be a form again."""
    assert len({introduced("{}", at) for at in (1, 3, 5)}) == 3


@pytest.mark.parametrize("answer", ["=" * 200_000 + "a", "1+" * 100_000, "a" * 200_000 + "."])
def test_a_long_answer_is_read_once(answer):
    """What clients send costs time in proportion to its length."""
    assert not is_bare(answer)
