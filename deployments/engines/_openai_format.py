"""Reads the JSON that a server answers with, and writes what the client gets. Without I/O."""

import json
import re
from collections.abc import Container
from typing import Any

import msgspec
from msgspec import Raw

from deployments.engines._openai_choices import (
    Choice,
    Part,
    is_empty,
    is_tidy,
    read_choices,
    tidied,
)
from deployments.engines._openai_errors import Blame, event_error
from deployments.protocol import INPUTS, BackendError, ModelRequest, Unavailable
from deployments.tool_calls import Call, ToolCalls

Fields = dict[str, Raw]
"""The top level of an event or of an answer."""

_fields = msgspec.json.Decoder(Fields)
_choices = msgspec.json.Decoder(list[Fields]).decode
_decode_calls = msgspec.json.Decoder(list[Call]).decode
_encode = msgspec.json.encode
_NO_CALLS = Raw(b"[]")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def decode(data: bytes) -> Fields:
    """A JSON object.

    Raises:
        ValueError: it is none.
    """
    if not data.isascii():
        data.decode()  # raises where it is no UTF-8: inner values are passed on as they are
    try:
        return _fields.decode(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except msgspec.DecodeError:
        if b"\\u" not in data:
            raise
        # Some servers cut an escaped character in two. One half of it is no character.
        text = json.dumps(json.loads(data), ensure_ascii=False)
        return _fields.decode(_HALF_CHARACTER.sub("\ufffd", text))


class AnswerFormat:
    """The format of one request's answers, by its operation and with its identity.

    Attributes:
        event_part: where an event has what the model said.
        answer_part: where a whole answer has it.
        told: whether a choice had a place for what the model says.
    """

    def __init__(self, request: ModelRequest, key: str | None = None) -> None:
        chat = request.operation == "chat"
        self.event_part: Part = "delta" if chat else "text"
        self.answer_part: Part = "message" if chat else "text"
        self._event = Raw(b'"chat.completion.chunk"' if chat else b'"text_completion"')
        self._answer = Raw(b'"chat.completion"' if chat else b'"text_completion"')
        self.told = False
        self._model = request.model
        self._blame = Blame(request.body, INPUTS[request.operation], key)
        self._calls = ToolCalls(request)
        self._identity = {
            "id": Raw(_encode(request.response_id)),
            "created": Raw(_encode(request.created)),
            "model": Raw(_encode(request.model)),
        }

    def read(self, data: bytes, *, whole: bool = False) -> Fields:
        """An event, or a whole answer.

        Raises:
            BackendError: it is an error, or no JSON object.
        """
        try:
            fields = decode(data)
        except ValueError as error:
            what = "what is not an answer" if whole else "an unreadable event"
            raise self.unusable(f"{what}: {error}") from error
        if bytes(fields.get("object", b"")) == b'"error"' or not is_empty(fields.get("error")):
            raise self.error(data)
        # The server is a gateway like ours, whose answer gets this key again.
        fields.pop("niche", None)
        return fields

    def choices(
        self, fields: Fields, part: Part, *, ends: bool, spoken: Container[int] = ()
    ) -> list[Choice]:
        """The choices, in OpenAI's shape from here on.

        Args:
            fields: those of an event or of an answer; changed where the choices are.
            part: which of them it is.
            ends: whether no more comes, so that choices end without a reason.
            spoken: the choices that said something before.

        Raises:
            Unavailable: they are no choices, or one broke off.
        """
        try:
            choices = read_choices(fields["choices"])
            told = [choice.told for choice in choices]
            self.told = self.told or any(told)
            if ends and not all(told):
                raise self.unusable("a choice without a message")
            if not all(is_tidy(choice, part, ends=ends) for choice in choices):
                fields["choices"] = tidied(fields["choices"], part, ends=ends, spoken=spoken)
                choices = read_choices(fields["choices"])
        except ValueError as error:
            raise self.unusable(f"an unreadable event: {error}") from error
        for choice in choices:
            if choice.broke_off:
                raise self.unusable(f"the end of an answer: {str(choice.finish_reason)[:80]!r}")
        return choices

    def mark_calls(self, fields: Fields, choices: list[Choice], part: Part) -> None:
        """Writes the tool calls in the fields as clients need them; once for each answer or event.
        Of a call that is held back nothing is there, until its choice ends.

        Raises:
            Unavailable: they are no tool calls.
        """
        if part == "text":
            return
        found = {at: calls for at, choice in enumerate(choices) if (calls := _calls(choice, part))}
        if not (found or self._calls.held):
            return
        edited = _choices(fields["choices"])
        for at, choice in enumerate(choices):
            written = self._written(found.get(at, _NO_CALLS), choice, part)
            said = _fields.decode(edited[at][part])
            said.pop("tool_calls", None)
            if written:
                said["tool_calls"] = Raw(_encode(written))
            edited[at][part] = Raw(_encode(said))
        fields["choices"] = Raw(_encode(edited))

    def _written(self, calls: Raw, choice: Choice, part: Part) -> list[Call]:
        try:
            decoded, index = _decode_calls(calls), choice.index or 0
        except msgspec.ValidationError as error:
            raise self.unusable(f"unreadable tool calls: {error}") from error
        if part == "delta":
            return self._calls.deltas(decoded, index, ends=bool(choice.finish_reason))
        return self._calls.whole(decoded, index)

    def event(self, fields: Fields) -> bytes:
        """A chunk's data, with the request's identity."""
        fields["object"] = self._event
        fields.update(self._identity)
        return _encode(fields)

    def answer(self, fields: Fields) -> bytes:
        """A whole answer's data, with the request's identity."""
        fields["object"] = self._answer
        fields.update(self._identity)
        return _encode(fields)

    def end(self, indices: list[int]) -> bytes:
        """An event that ends choices with `stop`, and has the calls that were held back."""
        choices = [
            {"index": index, **self._rest(index), "finish_reason": "stop"} for index in indices
        ]
        return self.event({"choices": Raw(_encode(choices))})

    def _rest(self, index: int) -> dict[str, Any]:
        if self.event_part == "text":
            return {"text": "", "logprobs": None}
        calls = self._calls.deltas([], index, ends=True)
        return {"delta": {"tool_calls": calls} if calls else {}}

    def error(self, data: bytes) -> BackendError:
        """The exception for an error that came as an event or as an answer."""
        return event_error(self._model, data, self._blame)

    def unusable(self, what: str) -> Unavailable:
        """The exception for what is no answer."""
        return Unavailable(self._model, f"upstream sent {what}")


def _calls(choice: Choice, part: Part) -> Raw | None:
    """The tool calls of a chat's choice, if there are some."""
    said = choice.message if part == "message" else choice.delta
    calls = (said or {}).get("tool_calls")
    return None if is_empty(calls) else calls
