"""What every engine promises of calls and schemas."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from deployments.protocol import Chunk, InvalidPrompt
from deployments.tool_call_ids import tag_in, tag_of
from tests.deployments.engines.asking import NAME, ask, streamed
from tests.model_requests import objects, text_of

YES_OR_NO = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
F, G = (
    {"type": "function", "function": {"name": name, "parameters": YES_OR_NO}} for name in ("f", "g")
)
NAMED = {"type": "function", "function": {"name": "g"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": YES_OR_NO}}
TOKENS = 120
_ANOTHERS = "the model of the server behind this engine calls as it can"


def calls_of(chunks: Sequence[Chunk]) -> list[tuple[str, str]]:
    """The names and the arguments of the calls, whole or streamed."""
    calls: dict[int, list[str]] = {}
    for choice in (choice for event in objects(chunks) for choice in event["choices"]):
        said = choice.get("delta") or choice.get("message") or {}
        for at, call in enumerate(said.get("tool_calls") or ()):
            named = calls.setdefault(call.get("index", at), ["", ""])
            named[0] += call["function"].get("name", "")
            named[1] += call["function"].get("arguments", "")
    return [(name, arguments) for name, arguments in calls.values()]


def deltas_of(chunks: Sequence[Chunk]) -> list[Any]:
    return [
        call
        for event in objects(chunks)
        for choice in event["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]


class FormConformance:
    """The suite. A subclass has the fixture `engine`, whose model has tools and schemas."""

    @pytest.mark.parametrize(
        ("choice", "allowed"),
        [("required", {"f", "g"}), (NAMED, {"g"})],
        ids=["any", "a named one"],
    )
    async def test_a_model_that_has_to_call_calls(self, engine, facts, choice, allowed) -> None:
        """With arguments that follow the schema; streamed as in a whole answer."""
        if facts.forwards:
            pytest.skip(_ANOTHERS)
        request = ask(
            tools=[F, G], tool_choice=choice, parallel_tool_calls=False, max_tokens=TOKENS
        )
        whole, chunks = await engine.complete(request), await streamed(engine, request)

        assert whole.finish_reasons == ((0, "tool_calls"),)
        assert [reason for chunk in chunks for reason in chunk.finish_reasons] == [
            (0, "tool_calls")
        ]
        [(name, arguments)] = calls_of([whole])
        assert calls_of(chunks) == [(name, arguments)]
        assert name in allowed
        assert type(json.loads(arguments)["ok"]) is bool
        assert not text_of([whole]).strip()

    async def test_the_deltas_of_a_call_are_those_of_one(self, engine, facts) -> None:
        """Each has its index; the first one alone has an id, which carries the model, and a
        name."""
        if facts.forwards:
            pytest.skip(_ANOTHERS)
        request = ask(tools=[F], tool_choice="required", max_tokens=TOKENS)
        deltas = deltas_of(await streamed(engine, request))
        [message] = [
            choice["message"] for choice in objects([await engine.complete(request)])[0]["choices"]
        ]
        firsts = {call["index"]: call for call in reversed(deltas)}

        assert len(firsts) < len(deltas)
        for call in deltas:
            begins = call is firsts[call["index"]]
            assert ("id" in call) == ("name" in call["function"]) == begins
        for call in [*firsts.values(), *message["tool_calls"]]:
            assert tag_in(call["id"]) == tag_of(NAME)
            assert call["type"] == "function"

    async def test_a_model_that_may_call_says_the_same_streamed_and_whole(self, engine) -> None:
        """Whether it calls or not."""
        request = ask("what is it?", tools=[F, G], max_tokens=20)
        whole, chunks = await engine.complete(request), await streamed(engine, request)

        assert calls_of(chunks) == calls_of([whole])
        assert text_of(chunks) == text_of([whole])
        assert calls_of(chunks) or text_of(chunks)

    async def test_a_model_that_may_not_call_speaks(self, engine) -> None:
        """`tool_choice` none."""
        answer = await engine.complete(ask(tools=[F], tool_choice="none", max_tokens=5))

        assert calls_of([answer]) == []
        assert text_of([answer])

    async def test_a_call_and_its_result_are_a_conversation(self, engine) -> None:
        """Which the model answers."""
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        turns = [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "yes"},
        ]

        assert text_of([await engine.complete(ask(messages=turns, max_tokens=5))])

    async def test_a_schema_shapes_the_answer(self, engine) -> None:
        """Streamed and whole."""
        request = ask(response_format=SCHEMA, max_tokens=TOKENS)
        whole, chunks = await engine.complete(request), await streamed(engine, request)

        assert whole.finish_reasons == ((0, "stop"),)
        assert type(json.loads(text_of([whole]))["ok"]) is bool
        assert text_of(chunks) == text_of([whole])

    async def test_a_limit_that_does_not_fit_is_told_where_it_may_be_clamped(
        self, engine, facts
    ) -> None:
        """With the first chunk, by the name that the client used."""
        if facts.context_tokens is None or facts.forwards:
            pytest.skip("this engine takes any length, or another server does")
        request = replace(
            ask("a" * (facts.context_tokens - 60), max_completion_tokens=500, max_tokens=None),
            clamp_max_tokens=True,
        )
        first, *others = await streamed(engine, request)

        assert first.not_applied == ("max_completion_tokens",)
        assert not any(chunk.not_applied for chunk in others)
        assert (await engine.complete(request)).not_applied == ("max_completion_tokens",)
        unclamped = await engine.complete(replace(request, clamp_max_tokens=False))
        assert unclamped.not_applied == ()
        assert (await engine.complete(replace(ask(), clamp_max_tokens=True))).not_applied == ()

    async def test_a_function_that_nobody_has_cannot_be_named(self, engine, facts) -> None:
        """A 400 that names the parameter."""
        if facts.forwards:
            pytest.skip(_ANOTHERS)
        with pytest.raises(InvalidPrompt) as refused:
            await engine.complete(ask(tools=[F], tool_choice=NAMED))

        assert refused.value.parameter == "tool_choice"
