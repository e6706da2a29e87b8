"""What completes an answer, on the chunks of any engine."""

from typing import Any

import msgspec
import pytest

from deployments.completions import CompletionFilter
from deployments.protocol import Chunk, ModelRequest
from tests.model_requests import chat, completion, text_of


def event(text: Any, index: int = 0, reason: str | None = None, part: str = "delta") -> Chunk:
    choice = {"index": index, part: {"content": text}, "finish_reason": reason}
    return Chunk(msgspec.json.encode({"choices": [choice]}), output=bool(text))


def filtered(request: ModelRequest, *chunks: Chunk) -> list[Chunk]:
    answer = CompletionFilter("calculator", request)
    return [answer.apply(chunk) for chunk in chunks]


def test_an_open_equation_gets_its_result():
    """In the chunk that ends it, which now says something."""
    *earlier, last = filtered(chat(), event("7*"), event("12="), event("", reason="stop"))

    assert text_of([*earlier, last]) == "7*12= 84"
    assert (text_of([last]), last.output) == (" 84", True)


def test_a_whole_answer_gets_it_too():
    """At its end."""
    (whole,) = filtered(chat(), event("1+1=", reason="stop", part="message"))
    assert text_of([whole]) == "1+1= 2"


def test_each_choice_has_its_own_text():
    """Pieces of several choices come in any order."""
    chunks = filtered(
        chat(n=2),
        event("1+1=", 0),
        event("2+2=", 1),
        event("", 1, "stop"),
        event("", 0, "stop"),
    )
    assert (text_of(chunks, 0), text_of(chunks, 1)) == ("1+1= 2", "2+2= 4")


@pytest.mark.parametrize(
    ("stop", "wanted"),
    [
        pytest.param("4", "7*12= 8", id="inside the result"),
        pytest.param(["= 8", "x"], "7*12=", id="begun by the model, ended by the result"),
        pytest.param("= 9", "7*12= 84", id="begun, and then not"),
    ],
)
def test_no_answer_shows_a_stop_string(stop, wanted):
    """Whoever wrote its letters."""
    chunks = filtered(chat(stop=stop), event("7*12="), event("", reason="stop"))
    assert text_of(chunks) == wanted


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        pytest.param(chat(), "length", id="cut at the limit"),
        pytest.param(completion(), "stop", id="a text that is continued"),
        pytest.param(chat(logprobs=True), "stop", id="log-probabilities"),
        pytest.param(chat(tools=[{"type": "function"}]), "stop", id="tools"),
        pytest.param(chat(response_format={"type": "json_object"}), "stop", id="a form"),
    ],
)
def test_other_answers_are_the_models_alone(request_, reason):
    """The very chunks come back."""
    chunks = [event("1+1="), event("", reason=reason)]
    assert filtered(request_, *chunks) == chunks


def test_an_answer_is_completed_once():
    """Also where a server says twice that it has ended."""
    ends = [event("", reason="stop"), event("", reason="stop")]
    assert text_of(filtered(chat(), event("1+1="), *ends)) == "1+1= 2"


def test_what_is_no_text_stays_as_it_is():
    """Some servers have a form of their own for it."""
    chunk = event([{"type": "thinking", "thinking": "1+1="}], reason="stop")
    assert filtered(chat(), chunk) == [chunk]


def test_without_a_name_nothing_is_added():
    """Nor is anything decoded."""
    chunk = Chunk(b"not JSON")
    assert CompletionFilter(None, chat()).apply(chunk) is chunk
