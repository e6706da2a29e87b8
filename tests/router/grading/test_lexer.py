"""A query's tokens: quotes, comments and parentheses are read as sqlite reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.grading.lexer import tokens_of


@pytest.mark.parametrize(
    ("query", "kinds", "values"),
    [
        ("SELECT Name", ["word", "word"], ["select", "name"]),
        ("'it''s -- (' = 5", ["text", "mark", "number"], ["it's -- (", "=", "5"]),
        ('"a "" b" `c` [d]', ["quoted", "name", "name"], ['a " b', "c", "d"]),
        ("1.5 -- order by\n/* ( */ <>", ["number", "mark"], ["1.5", "<>"]),
    ],
)
def test_a_query_is_split(query: str, kinds: list[str], values: list[str]) -> None:
    """Names and texts lose their quotes; comments are no tokens."""
    tokens = tokens_of(query)

    assert [token.kind for token in tokens] == kinds
    assert [token.value for token in tokens] == values


def test_a_token_knows_how_deep_it_is() -> None:
    """A parenthesis is as deep as what stands around it, and one in quotes is none."""
    assert [token.depth for token in tokens_of("a ( b (')') ) c")] == [0, 0, 1, 1, 2, 1, 0, 0]


@given(st.text())
def test_any_text_has_tokens(query: str) -> None:
    """They stand in the text, one after the other."""
    ends = [place for token in tokens_of(query) for place in (token.start, token.end)]

    assert ends == sorted(ends)
