"""From chunks to the API's bodies and events: one renderer per dialect, one instance per request.
No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec import UNSET, Struct, UnsetType

from deployments.protocol import Chunk, TokenLogprob, Usage
from gateway.dialects.schemas import (
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatCompletion,
    ChatLogprobs,
    ChatMessage,
    Delta,
    Niche,
    PromptTokensDetails,
    TextChoice,
    TextCompletion,
    TextLogprobs,
    TokenLogprobBody,
    TopLogprob,
    UsageBody,
)

LOWEST_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON does not have; the value that OpenAI's API uses."""


@dataclass(frozen=True, slots=True)
class Head:
    """What all events of an answer share.

    Attributes:
        identity: hexadecimal, unique; the dialect puts its prefix before it.
        created: Unix time in seconds.
        model: the model that answers.
        logprobs: whether they were asked for.
        include_usage: whether the stream ends with its usage.
    """

    identity: str
    created: int
    model: str
    logprobs: bool
    include_usage: bool = False


class Renderer(Protocol):
    """A dialect of the API, with what it must remember during one answer."""

    def body(self, choices: Sequence[Chunk], usage: Usage, niche: Niche) -> Struct:
        """The whole answer; `choices[i]` is all of choice i."""

    def event(self, index: int, chunk: Chunk, niche: Niche | None) -> Struct:
        """A streamed piece of choice `index`."""

    def usage_event(self, usage: Usage, niche: Niche) -> Struct:
        """The last event of a stream whose client asked for the usage."""


def renderer_for(kind: Literal["chat", "text"], head: Head) -> Renderer:
    """The renderer of a dialect."""
    return ChatRenderer(head) if kind == "chat" else TextRenderer(head)


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """The pieces of one choice as one piece."""
    return Chunk(
        text="".join(chunk.text for chunk in chunks),
        tokens=sum(chunk.tokens for chunk in chunks),
        finish_reason=chunks[-1].finish_reason,
        logprobs=tuple(item for chunk in chunks for item in chunk.logprobs),
        usage=chunks[-1].usage,
    )


class ChatRenderer:
    """`chat.completion` and `chat.completion.chunk`; the role comes with a choice's first piece."""

    def __init__(self, head: Head) -> None:
        self._head, self._id = head, f"chatcmpl-{head.identity}"
        self._begun: set[int] = set()

    def body(self, choices: Sequence[Chunk], usage: Usage, niche: Niche) -> ChatCompletion:
        """See `Renderer`."""
        return ChatCompletion(
            id=self._id,
            created=self._head.created,
            model=self._head.model,
            choices=[
                ChatChoice(
                    index=index,
                    message=ChatMessage(content=chunk.text),
                    finish_reason=chunk.finish_reason,
                    logprobs=self._logprobs(chunk),
                )
                for index, chunk in enumerate(choices)
            ],
            usage=_usage(usage),
            niche=niche,
        )

    def event(self, index: int, chunk: Chunk, niche: Niche | None) -> ChatChunk:
        """See `Renderer`."""
        first = index not in self._begun
        self._begun.add(index)
        delta = Delta(
            role="assistant" if first else UNSET,
            content=chunk.text if first or chunk.text else UNSET,
        )
        choice = ChatChunkChoice(
            index=index,
            delta=delta,
            finish_reason=chunk.finish_reason,
            logprobs=self._logprobs(chunk) if chunk.logprobs else None,
        )
        return self._chunk([choice], None if self._head.include_usage else UNSET, niche)

    def usage_event(self, usage: Usage, niche: Niche) -> ChatChunk:
        """See `Renderer`."""
        return self._chunk([], _usage(usage), niche)

    def _chunk(
        self,
        choices: list[ChatChunkChoice],
        usage: UsageBody | UnsetType | None,
        niche: Niche | None,
    ) -> ChatChunk:
        return ChatChunk(
            id=self._id,
            created=self._head.created,
            model=self._head.model,
            choices=choices,
            usage=usage,
            niche=niche or UNSET,
        )

    def _logprobs(self, chunk: Chunk) -> ChatLogprobs | None:
        if not self._head.logprobs:
            return None
        return ChatLogprobs(content=[_token(item) for item in chunk.logprobs])


class TextRenderer:
    """`text_completion`, whole and in pieces; offsets of tokens run on over a choice's pieces."""

    def __init__(self, head: Head) -> None:
        self._head, self._id = head, f"cmpl-{head.identity}"
        self._offsets: dict[int, int] = {}

    def body(self, choices: Sequence[Chunk], usage: Usage, niche: Niche) -> TextCompletion:
        """See `Renderer`."""
        rendered = [self._choice(index, chunk) for index, chunk in enumerate(choices)]
        return self._completion(rendered, _usage(usage), niche)

    def event(self, index: int, chunk: Chunk, niche: Niche | None) -> TextCompletion:
        """See `Renderer`."""
        usage = None if self._head.include_usage else UNSET
        return self._completion([self._choice(index, chunk)], usage, niche)

    def usage_event(self, usage: Usage, niche: Niche) -> TextCompletion:
        """See `Renderer`."""
        return self._completion([], _usage(usage), niche)

    def _completion(
        self, choices: list[TextChoice], usage: UsageBody | UnsetType | None, niche: Niche | None
    ) -> TextCompletion:
        return TextCompletion(
            id=self._id,
            created=self._head.created,
            model=self._head.model,
            choices=choices,
            usage=usage,
            niche=niche or UNSET,
        )

    def _choice(self, index: int, chunk: Chunk) -> TextChoice:
        logprobs = self._logprobs(index, chunk.logprobs) if self._head.logprobs else None
        return TextChoice(
            index=index, text=chunk.text, finish_reason=chunk.finish_reason, logprobs=logprobs
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


def _usage(usage: Usage) -> UsageBody:
    return UsageBody(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=usage.cached_tokens),
    )


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
