"""The body of a request to a server that speaks the OpenAI API: the client's, with a few keys of
its top level edited. Inner values travel as the client wrote them. Without I/O.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from deployments.control_tokens import ControlTokens
from deployments.engines._openai_usage import (
    UNBOUNDED,
    Bounds,
    most_completion_tokens,
    most_prompt_tokens,
)
from deployments.protocol import ModelRequest

_fields = msgspec.json.Decoder(dict[str, Raw])
_values = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.encode

_TRUE, _FALSE = Raw(b"true"), Raw(b"false")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the client wants its answer.

    Attributes:
        usage: a stream ends with an event for the usage.
        usage_each: its other events have the usage so far.
        choices: how many choices will come; None: unknown.
        bounds: how many tokens it can have.
    """

    usage: bool = False
    usage_each: bool = False
    choices: int | None = 1
    bounds: Bounds = UNBOUNDED


class _Turn(msgspec.Struct):
    role: str = ""


class RequestBuilder:
    """Builds the bodies for one model of one server.

    Args:
        model: the server's name for it.
        system_prompt: put before conversations without a system message.
        extra: has the last word: its keys are added or replace others, its nulls remove them.
        control_tokens: what the server would take for control tokens in messages.
    """

    def __init__(
        self,
        model: str,
        system_prompt: str | None,
        extra: Mapping[str, Any],
        control_tokens: Collection[str] = (),
    ) -> None:
        self._model = Raw(_encode(model))
        message = {"role": "system", "content": system_prompt}
        self._system = Raw(_encode(message)) if system_prompt else None
        self._extra = {
            key: None if value is None else Raw(_encode(value)) for key, value in extra.items()
        }
        self._control_tokens = ControlTokens(control_tokens) if control_tokens else None

    def build(self, request: ModelRequest, *, stream: bool) -> tuple[bytes, Wanted]:
        """The body that asks for a stream or for a whole answer, and what the client wants."""
        fields = _fields.decode(request.body)
        options = _options(fields)
        usage = _is_true(options.get("include_usage"))
        each = usage and _is_true(options.get("continuous_usage_stats"))
        if "messages" in fields:
            fields["messages"] = self._with_system_prompt(self._as_text(fields["messages"]))
        fields["model"] = self._model
        fields["stream"] = _TRUE if stream else _FALSE
        fields["stream_options"] = Raw(_encode(options | {"include_usage": _TRUE}))
        self._extend(fields)
        if not _is_true(fields.get("stream")):
            fields.pop("stream_options", None)  # OpenAI refuses it
        body = _encode(fields)
        return body, Wanted(usage, each, _choices(fields), _bounds(fields, body))

    def build_for_inputs(self, request: ModelRequest) -> bytes:
        """The body that asks for vectors of inputs, or for a ranking of them."""
        fields = _fields.decode(request.body) | {"model": self._model}
        self._extend(fields)
        return _encode(fields)

    def _extend(self, fields: dict[str, Raw]) -> None:
        for key, value in self._extra.items():
            if value is None:
                fields.pop(key, None)
            else:
                fields[key] = value

    def _as_text(self, messages: Raw) -> Raw:
        """The messages, in which no control token can be read."""
        if self._control_tokens is None:
            return messages
        return Raw(_encode(self._control_tokens.as_text(msgspec.json.decode(messages))))

    def _with_system_prompt(self, messages: Raw) -> Raw:
        if self._system is None:
            return messages
        turns = _values.decode(messages)
        roles = {msgspec.json.decode(turn, type=_Turn).role for turn in turns}
        if roles & {"system", "developer"}:
            return messages
        return Raw(_encode([self._system, *turns]))


def _options(fields: dict[str, Raw]) -> dict[str, Raw]:
    """The client's `stream_options`."""
    options = fields.get("stream_options")
    return _fields.decode(options) if options and bytes(options) != b"null" else {}


def _choices(fields: dict[str, Raw]) -> int | None:
    prompt = fields.get("prompt")
    if prompt and not bytes(prompt).startswith(b'"'):
        return None  # a list may hold several prompts
    return _number(fields.get("n")) or 1


def _bounds(fields: dict[str, Raw], body: bytes) -> Bounds:
    """How many tokens the answer to a body can have."""
    prompt = bytes(fields.get("prompt", b""))
    prompts = len(_values.decode(prompt)) if prompt.startswith(b"[") else 1
    choices = max(_number(fields.get(name)) or 1 for name in ("n", "best_of"))
    limits = [_number(fields.get(name)) or 0 for name in ("max_tokens", "max_completion_tokens")]
    most = most_completion_tokens(max(limits), prompts * choices)
    return Bounds(most_prompt_tokens(body), most)


def _number(value: Raw | None) -> int | None:
    digits = b"" if value is None else bytes(value)
    return int(digits) if digits.isdigit() else None


def _is_true(value: Raw | None) -> bool:
    return value is not None and bytes(value) == b"true"
