"""An engine that knows text alone, as a model that speaks OpenAI's words."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from deployments.completions import Completion, CompletionFilter
from deployments.deadline import within_first_token
from deployments.generation import Piece, Prompt, TextEngine
from deployments.merging import merged, summed
from deployments.protocol import (
    Chunk,
    Load,
    ModelCard,
    ModelRequest,
    Unavailable,
    Usage,
)
from deployments.tagged_calls import CallReader
from deployments.text_answers import renderer_for
from deployments.text_requests import TextRequest, read_request
from deployments.token_counts import as_chat, counted
from deployments.tool_calls import ToolCalls


class TextBackend:
    """The `Engine` around a `TextEngine`, which has one model.

    Args:
        engine: answers one prompt with text.
        completion: what completes its answers.
        images: whether messages may hold images.
    """

    def __init__(
        self, engine: TextEngine, completion: Completion | None = None, *, images: bool = False
    ) -> None:
        self._engine, self._completion, self._images = engine, completion, images

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yields one chunk per piece, and one with the usage if the client asked for it. A choice
        that ends without a finish reason leaves the answer without usage."""
        asked = read_request(request, images=self._images)
        renderer = renderer_for(request, logprobs=asked.logprobs, include_usage=asked.include_usage)
        tally, completed = _Tally(asked), CompletionFilter(self._completion, request)
        calls = _Calls(request, asked)
        async with aclosing(self._pieces(asked.prompts)) as pieces:
            async for index, said in pieces:
                tally.add(index, said)
                piece = calls.found(index, said)
                reason = piece.finish_reason
                chunk = Chunk(
                    data=renderer.event(index, piece),
                    output=bool(piece.text or piece.calls),
                    tokens=piece.tokens,
                    finish_reasons=() if reason is None else ((index, reason),),
                    not_applied=_not_applied(request, asked, piece),
                    usage=None if asked.include_usage else tally.usage,
                )
                yield completed.apply(chunk)
        if asked.include_usage and tally.usage is not None:
            data = renderer.usage_event(tally.usage)
            yield Chunk(data, output=False, usage=tally.usage)

    async def complete(self, request: ModelRequest) -> Chunk:
        """The whole answer.

        Raises:
            DeadlineExceeded: there was no piece within `first_token_seconds`.
            Unavailable: a choice ended without a finish reason.
            BackendError: the engine's own.
        """
        if request.operation == "count_tokens":  # a text engine says it with its answer
            answer = await self._whole(as_chat(request))
            return counted(answer.usage.prompt_tokens if answer.usage else 0)
        return await self._whole(request)

    async def _whole(self, request: ModelRequest) -> Chunk:
        asked = read_request(request, images=self._images)
        tally = _Tally(asked)
        choices: list[list[Piece]] = [[] for _ in asked.prompts]
        pieces = self._pieces(asked.prompts)
        async with within_first_token(request) as said, aclosing(pieces):
            async for index, piece in pieces:
                said()
                tally.add(index, piece)
                choices[index].append(piece)
        if tally.usage is None:
            raise Unavailable(request.model, "its stream ended early")
        calls = _Calls(request, asked)
        whole = _whole(
            request,
            asked,
            [calls.found(index, _joined(pieces)) for index, pieces in enumerate(choices)],
            tally.usage,
        )
        return CompletionFilter(self._completion, request).apply(whole)

    async def start(self) -> None:
        """See `Engine`."""
        await self._engine.start()

    async def alive(self) -> None:
        """See `Engine`."""
        await self._engine.alive()

    async def stop(self) -> None:
        """See `Engine`."""
        await self._engine.stop()

    async def health(self, _model: str) -> None:
        """See `Backend`."""
        await self._engine.health()

    async def load(self, _model: str) -> Load:
        """See `Backend`; each choice counts as a request."""
        return await self._engine.load()

    async def cards(self) -> tuple[ModelCard, ...]:
        """See `Backend`."""
        return (await self._engine.model_card(),)

    def _pieces(self, prompts: Sequence[Prompt]) -> AsyncGenerator[tuple[int, Piece]]:
        """The pieces of all choices in the order of their arrival, with the choice's index."""
        return merged([self._engine.generate(prompt) for prompt in prompts])


class _Tally:
    """The usage of an answer, once all its choices have theirs."""

    def __init__(self, asked: TextRequest) -> None:
        self.usage: Usage | None = None
        self._n = asked.n
        self._usages: list[Usage | None] = [None] * len(asked.prompts)

    def add(self, index: int, piece: Piece) -> None:
        """Counts a piece of choice `index`."""
        if piece.usage is None:
            return
        self._usages[index] = piece.usage
        known = [usage for usage in self._usages if usage is not None]
        if len(known) == len(self._usages):
            self.usage = summed(known, self._n)


class _Calls:
    """The calls in what choices say, if they may call."""

    def __init__(self, request: ModelRequest, asked: TextRequest) -> None:
        self._written = ToolCalls(request)
        forms = [prompt.form for prompt in asked.prompts]
        self._readers = [CallReader() if form and form.calls else None for form in forms]

    def found(self, index: int, piece: Piece) -> Piece:
        """A piece of choice `index`, with the calls that it had in its text."""
        reader, reason = self._readers[index], piece.finish_reason
        if reader is None:
            return piece
        text, calls = reader.push(piece.text, ends=reason is not None)
        if reason == "stop" and reader.count:
            reason = "tool_calls"
        written = tuple(self._written.deltas(calls, index))
        return replace(piece, text=text, calls=written, finish_reason=reason)


def _not_applied(request: ModelRequest, asked: TextRequest, piece: Piece) -> tuple[str, ...]:
    return (asked.limit,) if piece.clamped and request.clamp_max_tokens else ()


def _joined(pieces: Sequence[Piece]) -> Piece:
    """The pieces of one choice as one piece."""
    return Piece(
        text="".join(piece.text for piece in pieces),
        tokens=sum(piece.tokens for piece in pieces),
        finish_reason=pieces[-1].finish_reason,
        stop_reason=pieces[-1].stop_reason,
        logprobs=tuple(item for piece in pieces for item in piece.logprobs),
        usage=pieces[-1].usage,
        clamped=pieces[0].clamped,
    )


def _whole(
    request: ModelRequest, asked: TextRequest, choices: Sequence[Piece], usage: Usage
) -> Chunk:
    renderer = renderer_for(request, logprobs=asked.logprobs, include_usage=False)
    return Chunk(
        data=renderer.body(choices, usage),
        output=any(choice.text or choice.calls for choice in choices),
        tokens=sum(choice.tokens for choice in choices),
        finish_reasons=tuple(
            (index, choice.finish_reason)
            for index, choice in enumerate(choices)
            if choice.finish_reason is not None
        ),
        not_applied=_not_applied(request, asked, choices[0]),
        usage=usage,
    )
