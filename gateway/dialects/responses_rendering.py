"""How a chat's answer leaves in the words of `POST /v1/responses`: as one object, or as events that
build it.

A stream ends with `response.completed`, `response.incomplete` or `response.failed`; unlike a chat's
it has no `[DONE]`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from deployments.protocol import Chunk, Usage
from gateway.dialects.rendering import sse
from gateway.dialects.responses_output import Logprobs, Output
from gateway.dialects.responses_places import responses_error
from gateway.dialects.responses_schemas import (
    CachedTokens,
    IncompleteDetails,
    NamespaceTool,
    ReasoningTokens,
    Response,
    ResponseFailure,
    ResponseUsage,
    Tool,
)
from gateway.dialects.said import Said
from gateway.dialects.schemas import Niche
from gateway.errors import ErrorBody

_encode = msgspec.json.Encoder().encode

_INCOMPLETE: dict[str, Literal["max_output_tokens", "content_filter"]] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}
"""A chat's finish reasons that leave an answer incomplete."""


class _Choice(msgspec.Struct):
    delta: Said | None = None
    message: Said | None = None
    logprobs: Any = None


class _Answer(msgspec.Struct):
    """What is read of a chat's event, or of its whole answer."""

    id: str
    created: int
    model: str
    choices: list[_Choice]
    usage: Any = None


_read = msgspec.json.Decoder(_Answer).decode


class ResponsesRendering:
    """See `Rendering`.

    Args:
        unanswered: the answer as far as it is known before the model begins.
        keep: gets the answer when it has ended.
    """

    def __init__(
        self, unanswered: Response, keep: Callable[[Response], None] | None = None
    ) -> None:
        self._response, self._keep = unanswered, keep
        self._namespaces = _namespaces(unanswered.tools)
        self._output = Output("", _unheard, self._namespaces)
        self._events: list[bytes] = []
        self._sequence_number = 0
        self._usage, self._reasoning_tokens = Usage(0, 0), 0
        self._finish_reason = ""

    def whole(self, chunk: Chunk, niche: Niche) -> bytes:
        """See `Rendering`."""
        answer = _read(chunk.data)
        self._output = Output(self._name(answer), _unheard, self._namespaces)
        self._add(answer, chunk, niche)
        return _encode(self._ended())

    def event(self, chunk: Chunk, niche: Niche | None) -> bytes:
        """See `Rendering`."""
        answer = _read(chunk.data)
        if not self._response.id:
            self._output = Output(self._name(answer), self._emit, self._namespaces)
            begun = self._response if niche is None else replace(self._response, niche=niche)
            self._emit("response.created", response=begun)
            self._emit("response.in_progress", response=begun)
        self._add(answer, chunk, niche)
        return self._taken()

    def end(self) -> bytes:
        """See `Rendering`."""
        response = self._ended()
        self._emit(f"response.{response.status}", response=response)
        return self._taken()

    def failure(self, error: ErrorBody) -> bytes:
        """See `Rendering`."""
        detail = responses_error(error).error
        failure = ResponseFailure(
            code="invalid_prompt" if detail.type == "invalid_request_error" else "server_error",
            message=detail.message,
            type=detail.code,
            param=detail.param,
        )
        response = replace(
            self._response, status="failed", error=failure, output=self._output.items()
        )
        self._emit("response.failed", response=response)
        return self._taken()

    def _name(self, answer: _Answer) -> str:
        """Gives the answer its id; returns what sets it apart from other answers."""
        name = answer.id.rpartition("-")[2]
        self._response = replace(
            self._response, id=f"resp_{name}", created_at=answer.created, model=answer.model
        )
        return name

    def _add(self, answer: _Answer, chunk: Chunk, niche: Niche | None) -> None:
        for choice in answer.choices:
            said = choice.delta or choice.message
            if said is not None:
                self._output.add(said, _logprobs(choice.logprobs) if choice.logprobs else [])
        self._finish_reason = dict(chunk.finish_reasons).get(0, self._finish_reason)
        if answer.usage:
            self._reasoning_tokens = _reasoning_tokens(answer.usage) or self._reasoning_tokens
        self._usage = chunk.usage or self._usage
        if niche is not None:
            self._response = replace(self._response, niche=niche)

    def _ended(self) -> Response:
        reason = _INCOMPLETE.get(self._finish_reason)
        status: Literal["completed", "incomplete"] = "incomplete" if reason else "completed"
        self._output.end(status)
        self._response = replace(
            self._response,
            status=status,
            incomplete_details=IncompleteDetails(reason) if reason else None,
            output=self._output.items(),
            usage=self._counted(),
        )
        if self._keep is not None:
            self._keep(self._response)
        return self._response

    def _counted(self) -> ResponseUsage:
        usage = self._usage
        return ResponseUsage(
            input_tokens=usage.prompt_tokens,
            input_tokens_details=CachedTokens(usage.cached_tokens),
            output_tokens=usage.completion_tokens,
            output_tokens_details=ReasoningTokens(self._reasoning_tokens),
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
        )

    def _emit(self, kind: str, /, **fields: Any) -> None:
        event = {"type": kind, "sequence_number": self._sequence_number, **fields}
        self._events.append(sse(_encode(event), kind))
        self._sequence_number += 1

    def _taken(self) -> bytes:
        data = b"".join(self._events)
        self._events.clear()
        return data


def _unheard(_kind: str, /, **_fields: Any) -> None:
    """Where nobody follows how an answer grows."""


def _logprobs(told: Any) -> Logprobs:
    """The log-probabilities of tokens, where they have a chat's shape."""
    content = told.get("content") if isinstance(told, dict) else None
    tokens = content if isinstance(content, list) else ()
    return [token for token in tokens if isinstance(token, dict)]


def _reasoning_tokens(usage: Any) -> int:
    """Those of a usage, where it has a chat's shape."""
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    count = details.get("reasoning_tokens") if isinstance(details, dict) else None
    return count if isinstance(count, int) else 0


def _namespaces(tools: Sequence[Tool]) -> dict[str, str]:
    """The namespaces of functions, by these functions' names."""
    spaces = [tool for tool in tools if isinstance(tool, NamespaceTool)]
    return {function.name: space.name for space in spaces for function in space.tools}
