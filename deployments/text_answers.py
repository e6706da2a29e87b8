"""From pieces of text to OpenAI's answers as JSON: one renderer per dialect, one instance per
request. No I/O."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from deployments.answer_schemas import (
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatCompletion,
    ChatLogprobs,
    ChatMessage,
    Delta,
    PromptTokensDetails,
    TextChoice,
    TextCompletion,
    TextLogprobs,
    TokenLogprobBody,
    TopLogprob,
    UsageBody,
)
from deployments.generation import Piece, TokenLogprob
from deployments.protocol import ModelRequest, Usage
from deployments.tool_calls import completed

LOWEST_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON does not have; the value that OpenAI's API uses."""

_encode = msgspec.json.Encoder().encode


class Renderer(Protocol):
    """A dialect of the API, with what it must remember during one answer."""

    def body(self, choices: Sequence[Piece], usage: Usage) -> bytes:
        """The whole answer; `choices[i]` is all of choice i."""

    def event(self, index: int, piece: Piece) -> bytes:
        """A streamed piece of choice `index`."""

    def usage_event(self, usage: Usage) -> bytes:
        """The last event of a stream whose client asked for the usage."""


def renderer_for(request: ModelRequest, *, logprobs: bool, include_usage: bool) -> Renderer:
    """The renderer of a request's dialect.

    Args:
        request: names the answer.
        logprobs: whether they were asked for.
        include_usage: whether the stream ends with its usage.
    """
    kind = ChatRenderer if request.operation == "chat" else TextRenderer
    return kind(request, logprobs, include_usage)


class ChatRenderer:
    """`chat.completion` and `chat.completion.chunk`; the role comes with a choice's first piece."""

    def __init__(self, request: ModelRequest, logprobs: bool, include_usage: bool) -> None:
        self._request, self._wants_logprobs = request, logprobs
        self._event_usage = None if include_usage else UNSET
        self._begun: set[int] = set()

    def body(self, choices: Sequence[Piece], usage: Usage) -> bytes:
        """See `Renderer`."""
        answer = ChatCompletion(
            id=self._request.response_id,
            created=self._request.created,
            model=self._request.model,
            choices=[
                ChatChoice(
                    index=index,
                    message=_message(piece),
                    finish_reason=piece.finish_reason,
                    logprobs=_chat_logprobs(piece) if self._wants_logprobs else None,
                    stop_reason=piece.stop_reason or UNSET,
                )
                for index, piece in enumerate(choices)
            ],
            usage=usage_body(usage),
        )
        return _encode(answer)

    def event(self, index: int, piece: Piece) -> bytes:
        """See `Renderer`."""
        first = index not in self._begun
        self._begun.add(index)
        delta = Delta(
            role="assistant" if first else UNSET,
            content=piece.text if first or piece.text else UNSET,
            tool_calls=list(piece.calls) or UNSET,
        )
        choice = ChatChunkChoice(
            index=index,
            delta=delta,
            finish_reason=piece.finish_reason,
            logprobs=_chat_logprobs(piece) if self._wants_logprobs and piece.logprobs else None,
            stop_reason=piece.stop_reason or UNSET,
        )
        return self._chunk([choice], self._event_usage)

    def usage_event(self, usage: Usage) -> bytes:
        """See `Renderer`."""
        return self._chunk([], usage_body(usage))

    def _chunk(self, choices: list[ChatChunkChoice], usage: UsageBody | UnsetType | None) -> bytes:
        chunk = ChatChunk(
            id=self._request.response_id,
            created=self._request.created,
            model=self._request.model,
            choices=choices,
            usage=usage,
        )
        return _encode(chunk)


class TextRenderer:
    """`text_completion`, whole and in pieces; offsets of tokens run on over a choice's pieces."""

    def __init__(self, request: ModelRequest, logprobs: bool, include_usage: bool) -> None:
        self._request, self._wants_logprobs = request, logprobs
        self._event_usage = None if include_usage else UNSET
        self._offsets: dict[int, int] = {}

    def body(self, choices: Sequence[Piece], usage: Usage) -> bytes:
        """See `Renderer`."""
        rendered = [self._choice(index, piece) for index, piece in enumerate(choices)]
        return self._completion(rendered, usage_body(usage))

    def event(self, index: int, piece: Piece) -> bytes:
        """See `Renderer`."""
        return self._completion([self._choice(index, piece)], self._event_usage)

    def usage_event(self, usage: Usage) -> bytes:
        """See `Renderer`."""
        return self._completion([], usage_body(usage))

    def _completion(self, choices: list[TextChoice], usage: UsageBody | UnsetType | None) -> bytes:
        answer = TextCompletion(
            id=self._request.response_id,
            created=self._request.created,
            model=self._request.model,
            choices=choices,
            usage=usage,
        )
        return _encode(answer)

    def _choice(self, index: int, piece: Piece) -> TextChoice:
        logprobs = self._logprobs(index, piece.logprobs) if self._wants_logprobs else None
        return TextChoice(
            index=index,
            text=piece.text,
            finish_reason=piece.finish_reason,
            logprobs=logprobs,
            stop_reason=piece.stop_reason or UNSET,
        )

    def _logprobs(self, index: int, items: Sequence[TokenLogprob]) -> TextLogprobs:
        offset, offsets = self._offsets.get(index, 0), []
        for item in items:
            offsets.append(offset)
            offset += len(item.token)
        self._offsets[index] = offset
        return TextLogprobs(
            tokens=[item.token for item in items],
            token_logprobs=[_finite(item.logprob) for item in items],
            top_logprobs=[{token: _finite(value) for token, value in item.top} for item in items],
            text_offset=offsets,
        )


def usage_body(usage: Usage) -> UsageBody:
    """The usage as an answer shows it."""
    return UsageBody(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=usage.cached_tokens),
    )


def _message(piece: Piece) -> ChatMessage:
    calls = [completed(call) for call in piece.calls]
    content = piece.text or (None if calls else "")
    return ChatMessage(content=content, tool_calls=calls or UNSET)


def _chat_logprobs(piece: Piece) -> ChatLogprobs:
    return ChatLogprobs(content=[_token(item) for item in piece.logprobs])


def _token(item: TokenLogprob) -> TokenLogprobBody:
    return TokenLogprobBody(
        token=item.token,
        logprob=_finite(item.logprob),
        bytes=_bytes(item.token),
        top_logprobs=[
            TopLogprob(token=token, logprob=_finite(value), bytes=_bytes(token))
            for token, value in item.top
        ],
    )


def _finite(logprob: float) -> float:
    return max(logprob, LOWEST_LOGPROB)


def _bytes(token: str) -> list[int] | None:
    """A token's bytes; None for a part of a character, whose text does not tell them."""
    return None if "\ufffd" in token else list(token.encode("utf-8", "replace"))
