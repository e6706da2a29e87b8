"""Answers in the words of the Responses API: OpenAI's own types read each of them, strictly."""

import json
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from deployments.protocol import Chunk, Usage
from gateway.dialects.responses import completion_of, parse_responses, request_of
from gateway.dialects.schemas import Niche
from gateway.errors import ErrorBody, ErrorDetail

NICHE = Niche("sql", "sql-model", 0.9, "routed", "r1")
ASKED = {"model": "auto", "input": "hi"}
CALL = {"index": 0, "id": "call_0a_1", "function": {"name": "weather", "arguments": ""}}
TOKEN = {"token": "4", "logprob": -0.5, "bytes": None, "top_logprobs": []}

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def piece(**delta: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta}


def chunk(*choices: dict[str, Any], reason: str | None = None, **usage: Any) -> Chunk:
    """A chat's event, or its whole answer; with a reason it is the last."""
    said = {"id": "chatcmpl-ab12", "created": 1795414094, "model": "big", "choices": choices}
    return Chunk(
        json.dumps(said | ({"usage": usage} if usage else {})).encode(),
        finish_reasons=((0, reason),) if reason else (),
        usage=Usage(7, 3, 5) if reason else None,
    )


def whole(message: dict[str, Any], reason: str = "stop", asked: Any = ASKED, **usage: Any) -> Any:
    """The answer, which OpenAI's type accepts."""
    rendering = parse_responses(asked).rendering()
    choice = {"index": 0, "message": message, "finish_reason": reason}
    data = rendering.whole(chunk(choice, reason=reason, **usage), NICHE)
    Response.model_validate_json(data, strict=True)
    return json.loads(data)


def test_a_call_of_a_function_in_a_namespace_names_both():
    """Which the client looks it up by."""
    weather = {"type": "function", "name": "weather", "parameters": {}}
    space = {"type": "namespace", "name": "skies", "description": "d", "tools": [weather]}
    calls = [CALL | {"type": "function", "function": {"name": "weather", "arguments": "{}"}}]

    answer = whole({"tool_calls": calls}, reason="tool_calls", asked=ASKED | {"tools": [space]})

    [call] = answer["output"]
    assert (call["name"], call["namespace"]) == ("weather", "skies")
    assert answer["tools"][0]["name"] == "skies"


def streamed(*chunks: Chunk, failure: ErrorBody | None = None) -> bytes:
    """All bytes of a stream, with `niche` as the gateway gives it."""
    rendering = parse_responses(ASKED | {"stream": True}).rendering()
    data = b""
    for number, each in enumerate(chunks):
        data += rendering.event(each, NICHE if number == 0 or each.usage else None)
    return data + (rendering.end() if failure is None else rendering.failure(failure))


def events(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each of which OpenAI's type accepts."""
    found = []
    for number, event in enumerate(data.decode().removesuffix("\n\n").split("\n\n")):
        name, _, text = event.partition("\ndata: ")
        _EVENT.validate_json(text, strict=True)
        found.append(json.loads(text))
        assert name == f"event: {found[-1]['type']}"
        assert found[-1]["sequence_number"] == number
    return found


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in found]


def test_a_whole_text():
    """Becomes one message, beside what was asked, the usage, and the gateway's key."""
    answer = whole({"content": "four"}, completion_tokens_details={"reasoning_tokens": 2})

    message = answer["output"][0]
    assert (message["type"], message["status"]) == ("message", "completed")
    assert message["content"] == [
        {"type": "output_text", "text": "four", "annotations": [], "logprobs": []}
    ]
    assert (answer["id"], answer["model"], answer["status"]) == ("resp_ab12", "big", "completed")
    assert answer["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 10,
    }
    assert answer["niche"]["reason"] == "routed"


def test_what_was_asked_is_repeated():
    """With the defaults of what was not."""
    asked = ASKED | {
        "instructions": "Be brief.",
        "temperature": 0,
        "max_output_tokens": 9,
        "metadata": {"team": "a"},
        "text": {"format": {"type": "text"}},
        "truncation": "disabled",
        "store": True,
    }

    answer = whole({"content": "four"}, asked=asked)

    repeated = {name: answer[name] for name in asked.keys() - {"model", "input", "store"}}
    assert repeated == {
        "instructions": "Be brief.",
        "temperature": 0,
        "max_output_tokens": 9,
        "metadata": {"team": "a"},
        "text": {"format": {"type": "text"}, "verbosity": None},
        "truncation": "disabled",
    }
    assert (answer["tools"], answer["tool_choice"]) == ([], "auto")
    assert (answer["parallel_tool_calls"], answer["store"]) == (True, False)


def test_thoughts_refusals_and_calls_are_items():
    """In the order in which a model says them; a call keeps its id."""
    calls = [
        {"id": "call_0a_1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "call_0a_2", "type": "function", "function": {"name": "g", "arguments": "[]"}},
    ]
    said = {"reasoning_content": "hm", "content": None, "refusal": "no", "tool_calls": calls}

    output = whole(said, "tool_calls")["output"]

    assert [item["type"] for item in output] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    assert output[0]["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert output[1]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in output[2:]] == [
        ("call_0a_1", "f", "{}"),
        ("call_0a_2", "g", "[]"),
    ]
    assert len({item["id"] for item in output}) == 4


def test_thoughts_may_be_a_part_of_the_content():
    """As some servers list them."""
    thought, message = whole({"content": [{"type": "thinking", "thinking": "hm"}, "a"]})["output"]

    assert thought["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert message["content"][0]["text"] == "a"


@pytest.mark.parametrize("odd", [None, {"text": "x"}, [], False, 3, {}], ids=str)
def test_what_stands_beside_an_answer_in_another_type_says_nothing(odd):
    """Null, too; the answer itself is good."""
    beside = dict.fromkeys(["reasoning", "reasoning_content", "refusal"], odd)
    answer = whole(beside | {"content": "four"}, completion_tokens_details=odd)
    first = {"index": 0, "delta": beside | {"content": "four"}, "message": None, "logprobs": odd}
    more = piece(content=odd, tool_calls=[CALL, {"index": 0, "function": None}])
    found = events(streamed(chunk(first), chunk(more, reason="tool_calls")))

    assert [item["type"] for item in answer["output"]] == ["message"]
    assert answer["usage"]["output_tokens_details"] == {"reasoning_tokens": 0}
    assert [item["type"] for item in found[-1]["response"]["output"]] == [
        "message",
        "function_call",
    ]


@pytest.mark.parametrize(
    ("reason", "why"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_an_answer_that_was_cut_is_incomplete(reason, why):
    """It says why, and its last item is incomplete too."""
    answer = whole({"reasoning_content": "hm", "content": "fo"}, reason)

    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": why})
    assert [item["status"] for item in answer["output"]] == ["completed", "incomplete"]


def test_an_answer_without_words_has_an_empty_message():
    """So that clients find one."""
    assert whole({"content": ""})["output"][0]["content"][0]["text"] == ""


def test_a_streamed_text():
    """Its events build it piece by piece; the first and the last have the gateway's key."""
    found = events(
        streamed(
            chunk(piece(role="assistant", content="")),
            chunk(piece(content="fo")),
            chunk(piece(content="ur")),
            chunk(piece(), reason="stop"),
        )
    )

    assert kinds(found) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["delta"] for event in found[4:6]] == ["fo", "ur"]
    assert found[6]["text"] == "four"
    assert found[0]["response"]["niche"] == found[-1]["response"]["niche"]
    assert found[0]["response"]["output"] == []
    assert found[-1]["response"]["output"] == [found[8]["item"]]
    assert found[-1]["response"]["usage"]["total_tokens"] == 10


def test_streamed_thoughts_end_where_the_text_begins():
    """A text is an item of its own, and so is what follows it."""
    found = events(
        streamed(
            chunk(piece(reasoning_content="h")),
            chunk(piece(reasoning="m", content="four")),
            chunk(piece(refusal="no"), reason="stop"),
        )
    )

    assert kinds(found)[2:] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["output_index"] for event in found[2:-1]] == [0] * 7 + [1] * 6 + [2] * 6


def test_streamed_calls_may_alternate():
    """Each piece of the arguments goes to the call of its index."""
    other = CALL | {"index": 1, "id": "call_0a_2"}
    found = events(
        streamed(
            chunk(piece(content="let me see")),
            chunk(piece(tool_calls=[CALL, other])),
            chunk(piece(tool_calls=[{"index": 0, "function": {"arguments": '{"a":'}}])),
            chunk(piece(tool_calls=[{"index": 1, "function": {"arguments": "{}"}}])),
            chunk(piece(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}])),
            chunk(piece(), reason="tool_calls"),
        )
    )

    assert kinds(found)[8:] == [
        "output_item.added",
        "output_item.added",
        *["function_call_arguments.delta"] * 3,
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    calls = found[-1]["response"]["output"][1:]
    assert [(call["call_id"], call["arguments"]) for call in calls] == [
        ("call_0a_1", '{"a":1}'),
        ("call_0a_2", "{}"),
    ]


def test_a_stream_that_was_cut_is_incomplete():
    """Its last event says so."""
    found = events(streamed(chunk(piece(content="fo"), reason="length")))

    assert found[-1]["type"] == "response.incomplete"
    assert found[-2]["item"]["status"] == "incomplete"


def test_a_stream_that_breaks_off_fails():
    """With one of OpenAI's codes, the gateway's own as type, and what there was."""
    detail = ErrorDetail("Model 'big' died.", "server_error", None, "model_unavailable")
    found = events(streamed(chunk(piece(content="fo")), failure=ErrorBody(detail)))

    failed = found[-1]["response"]
    assert (found[-1]["type"], failed["status"]) == ("response.failed", "failed")
    assert (failed["error"]["code"], failed["error"]["type"]) == (
        "server_error",
        "model_unavailable",
    )
    assert failed["output"][0]["status"] == "incomplete"


def test_only_an_answer_that_ended_is_kept():
    """As it was sent."""
    kept: list[Any] = []
    request = completion_of(request_of(ASKED | {"stream": True}), keep=kept.append)
    said = chunk(piece(content="four"), reason="stop")
    whole, broken = request.rendering(), request.rendering()

    broken.event(said, NICHE)
    broken.failure(ErrorBody(ErrorDetail("died", "server_error", None, "model_unavailable")))
    assert kept == []
    found = events(whole.event(said, NICHE) + whole.end())
    assert [json.loads(msgspec.json.encode(one)) for one in kept] == [found[-1]["response"]]
    assert kept[0].store


def test_log_probabilities_come_with_their_text():
    """Their bytes are a list, also where the model's server gave none."""
    asked = ASKED | {"include": ["message.output_text.logprobs"]}
    rendering = parse_responses(asked).rendering()
    choice = {"index": 0, "delta": {"content": "4"}, "logprobs": {"content": [TOKEN]}}

    found = events(rendering.event(chunk(choice, reason="stop"), NICHE) + rendering.end())

    assert found[4]["logprobs"] == [TOKEN | {"bytes": []}]
    message = found[-1]["response"]["output"][0]
    assert message["content"][0]["logprobs"] == [TOKEN | {"bytes": []}]


class Sum(BaseModel):
    value: int


def test_the_official_client_follows_a_stream():
    """Its accumulator arrives at the same text, calls and parsed object."""
    data = streamed(
        chunk(piece(reasoning_content="hm")),
        chunk(piece(content='{"value":')),
        chunk(piece(content="4}")),
        chunk(piece(tool_calls=[CALL])),
        chunk(piece(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}])),
        chunk(piece(), reason="stop"),
    )
    stream = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=stream, content=data))
    client = openai.OpenAI(
        api_key="none", base_url="http://gateway/v1", http_client=httpx2.Client(transport=transport)
    )

    with client.responses.stream(model="auto", input="2 + 2", text_format=Sum) as followed:
        last = [event for event in followed if event.type == "response.output_text.delta"][-1]
        answer = followed.get_final_response()

    assert last.snapshot == answer.output_text == '{"value":4}'
    assert answer.output_parsed == Sum(value=4)
    assert (answer.output[2].call_id, answer.output[2].arguments) == ("call_0a_1", "{}")
