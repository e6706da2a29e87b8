"""The grammar of a specialist's answers: what it allows, when it applies, which are refused."""

import pytest

from deployments.answer_grammar import asks_for_form, check_grammar, grammar_for
from tests.grammars import follows

CITY = r"""
answer: "{\"city\": \"" CITY "\"}"
CITY: %copied {"\"": "\\\"", "\\": "\\\\"}
"""
ASKED = 'Is it colder in New York, at 9pm, or in "Rio"?'


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        pytest.param("New York", True, id="two words"),
        pytest.param("in New York, at", True, id="with what is between them"),
        pytest.param("9", True, id="a number with its unit beside it"),
        pytest.param('\\"Rio\\"', True, id="characters as they are written in the answer"),
        pytest.param("New Yorker", False, id="a longer word"),
        pytest.param("York New", False, id="another order"),
        pytest.param("new york", False, id="other letters"),
        pytest.param("Oslo", False, id="a word that nobody said"),
    ],
)
def test_what_is_copied_is_words_of_the_conversation(answer, allowed):
    """A run of whole ones, as they stand there."""
    assert follows(CITY, f'{{"city": "{answer}"}}', ASKED) == allowed


def test_every_message_may_be_copied_from():
    """Also in parts, and from answers; what has no text has no words."""
    messages = [
        {"role": "system", "content": "Paris"},
        {"role": "user", "content": [{"type": "text", "text": "Oslo"}, {"type": "image_url"}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "Rome"},
    ]
    assert '["Paris", "\\n", "Oslo", "\\n", "Rome"]' in grammar_for(CITY, messages)


def test_the_models_own_end_may_end_an_answer():
    """Where the engine takes another token for it."""
    assert "start: answer <[2]>?\n" in grammar_for(CITY, [], end_token=2)
    assert "start: answer\n" in grammar_for(CITY, [])


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"response_format": {"type": "text"}, "tools": []}, False, id="idle ones"),
        pytest.param({"response_format": {"type": "json_object"}}, True, id="JSON"),
        pytest.param({"grammar": 'root ::= "x"'}, True, id="a grammar"),
        pytest.param({"structured_outputs": {"regex": "x"}}, True, id="vLLM's own"),
        pytest.param({"tools": [{"type": "function"}]}, True, id="tools"),
    ],
)
def test_a_request_may_ask_for_its_own_form(body, asks):
    """By the parameters that every engine knows, and by those that one does."""
    assert asks_for_form(body) == asks


@pytest.mark.parametrize(
    "grammar",
    [
        pytest.param("answer: (", id="a bracket is open"),
        pytest.param('reply: "x"', id="no answer"),
        pytest.param("answer: WORD", id="a name of nothing"),
        pytest.param("answer: /(?=x)x/", id="what the engines do not know"),
    ],
)
def test_a_grammar_that_cannot_be_read_is_refused(grammar):
    """Before an engine has it."""
    with pytest.raises(ValueError, match="grammar"):
        check_grammar(grammar)


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("{'x': 'y'}", id="not JSON"),
        pytest.param('{"ab": "c"}', id="more than a character"),
        pytest.param('{"W": []}', id="not a text"),
    ],
)
def test_a_spelling_that_cannot_be_read_is_refused(spelling):
    """It goes from characters to texts."""
    with pytest.raises(ValueError, match="%copied"):
        check_grammar(f"answer: W\nW: %copied {spelling}")


def test_a_grammar_that_can_be_read_stays_as_it_is():
    """Word for word."""
    assert check_grammar(CITY) == CITY
