"""Answers in Anthropic's words, whole and streamed.

    message_start, then for each block: content_block_start, content_block_delta ...,
    content_block_stop; then message_delta and message_stop, or error

A block is a thought, a text, or a call of a tool. One is open at a time.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from deployments.protocol import Chunk, Usage
from gateway.dialects.messages_errors import message_error
from gateway.dialects.messages_schemas import (
    BlockDelta,
    BlockStart,
    BlockStop,
    Event,
    InputDelta,
    MessageAnswer,
    MessageDelta,
    MessageError,
    MessageStart,
    MessageStop,
    MessageUsage,
    Stopped,
    StopReason,
    TextAnswer,
    TextDelta,
    ThinkingAnswer,
    ThinkingDelta,
    ToolUseAnswer,
)
from gateway.dialects.rendering import sse
from gateway.dialects.said import Call, Said
from gateway.dialects.schemas import Niche
from gateway.errors import ErrorBody

_Block = ThinkingAnswer | TextAnswer | ToolUseAnswer

_encode = msgspec.json.Encoder().encode

_STOP_REASONS: dict[str | None, StopReason] = {
    "content_filter": "refusal",
    "function_call": "tool_use",
    "length": "max_tokens",
    "tool_calls": "tool_use",
}
"""Of a chat's reasons; the others are ends of a turn."""


_DELTAS: dict[type[_Block], type[ThinkingDelta | TextDelta]] = {
    ThinkingAnswer: ThinkingDelta,
    TextAnswer: TextDelta,
}


class _Choice(Struct, frozen=True):
    delta: Said | None = None
    message: Said | None = None
    finish_reason: str | None = None
    stop_reason: Any = None


class _Answer(Struct, frozen=True):
    choices: list[_Choice]
    id: str = ""
    model: str = ""


_read = msgspec.json.Decoder(_Answer).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode


class _GrowingCall:
    """A call in a stream.

    Attributes:
        first: its first piece, with id and name.
        block: the number of its block; None: it has not begun.
        pieces: of its arguments.
        told: how many of them events had.
        ended: whether no more of it is told; what comes after its object is no argument.
    """

    def __init__(self, first: Call) -> None:
        self.first = first
        self.block: int | None = None
        self.pieces: list[str] = []
        self.told = 0
        self.ended = False

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are an object."""
        try:
            _object("".join(self.pieces))
        except msgspec.DecodeError:
            return False
        return True


class MessageRendering:
    """See `Rendering`.

    Args:
        stops: the request's stop sequences.
    """

    def __init__(self, stops: Collection[str] = ()) -> None:
        self._stops = stops
        self._begun = False
        self._blocks = 0
        self._open: type[_Block] | None = None
        self._calls: dict[int, _GrowingCall] = {}
        self._growing = deque[_GrowingCall]()
        self._waiting: list[tuple[type[ThinkingAnswer | TextAnswer], str]] = []
        self._last = _Choice()

    def whole(self, chunk: Chunk, niche: Niche) -> bytes:
        """See `Rendering`."""
        answer = _read(chunk.data)
        [choice, *_] = answer.choices
        said = choice.message or Said()
        content: list[_Block] = [ThinkingAnswer(said.thoughts)] if said.thoughts else []
        content += [TextAnswer(text)] if (text := said.words + said.refused) else []
        calls = said.calls
        content += [_called(call, _input(call.called.arguments)) for call in calls]
        stopped = self._stopped(choice, calls=bool(calls))
        message = _message(answer, _usage(chunk.usage or Usage(0, 0)), niche)
        return _encode(
            msgspec.structs.replace(
                message,
                content=content,
                stop_reason=stopped.stop_reason,
                stop_sequence=stopped.stop_sequence,
            )
        )

    def event(self, chunk: Chunk, niche: Niche | None) -> bytes:
        """See `Rendering`. Usage and costs come with the last event but one."""
        return b"".join(map(_sent, self._events(chunk, niche)))

    def end(self) -> bytes:
        """See `Rendering`."""
        return _sent(MessageStop())

    def failure(self, error: ErrorBody) -> bytes:
        """See `Rendering`."""
        return _sent(message_error(error))

    def _events(self, chunk: Chunk, niche: Niche | None) -> Iterator[Event]:
        answer = _read(chunk.data)
        if not self._begun:
            self._begun = True
            usage = MessageUsage(input_tokens=chunk.prompt_tokens or 0, output_tokens=0)
            yield MessageStart(message=_message(answer, usage, niche))
        for choice in answer.choices:
            if choice.delta is not None:
                yield from self._more(choice.delta)
            self._last = choice if choice.finish_reason else self._last
        if chunk.usage is not None:
            yield from self._end_calls()
            yield from self._close()
            yield MessageDelta(
                delta=self._stopped(self._last, calls=bool(self._calls)),
                usage=_usage(chunk.usage),
                niche=UNSET if niche is None else niche,
            )

    def _more(self, said: Said) -> Iterator[Event]:
        if thoughts := said.thoughts:
            yield from self._tell(ThinkingAnswer, thoughts)
        if text := said.words + said.refused:
            yield from self._tell(TextAnswer, text)
        if calls := said.calls:
            yield from self._grow_calls(calls)

    def _tell(self, kind: type[ThinkingAnswer | TextAnswer], text: str) -> Iterator[Event]:
        """A thought or a text, which ends the calls; while one is not whole it waits."""
        if self._growing:
            if self._waiting or not self._are_whole():
                self._waiting.append((kind, text))
                return
            yield from self._end_calls()
        yield from self._grow(kind, text)

    def _grow_calls(self, pieces: Iterable[Call]) -> Iterator[Event]:
        for piece in pieces:
            index = piece.index or 0
            call = self._calls.get(index)
            if call is None:
                call = self._calls[index] = _GrowingCall(piece)
                self._growing.append(call)
            if call.ended:
                continue
            if piece.called.arguments:
                call.pieces.append(piece.called.arguments)
            if call.block is not None:
                yield from self._say(call)
        yield from self._tell_calls(ends=False)
        if self._waiting and self._are_whole():
            yield from self._end_calls()

    def _are_whole(self) -> bool:
        return all(call.is_whole for call in self._growing)

    def _end_calls(self) -> Iterator[Event]:
        """Ends the calls, and tells what waited for that, but for white space between pieces."""
        yield from self._tell_calls(ends=True)
        waiting, self._waiting = self._waiting, []
        if any(text.strip() for _, text in waiting):
            for kind, text in waiting:
                yield from self._grow(kind, text)

    def _tell_calls(self, *, ends: bool) -> Iterator[Event]:
        """Of the calls that grow the first is told; the next one begins when it is whole, or when
        all end, since servers may mix what calls say."""
        while self._growing:
            call = self._growing[0]
            if call.block is None:
                yield from self._begin(_called(call.first, {}))
                call.block = self._blocks - 1
                yield from self._say(call)
            if not ends and (len(self._growing) == 1 or not call.is_whole):
                return
            self._growing.popleft().ended = True

    def _say(self, call: _GrowingCall) -> Iterator[Event]:
        for piece in call.pieces[call.told :]:
            yield BlockDelta(index=call.block or 0, delta=InputDelta(piece))
        call.told = len(call.pieces)

    def _grow(self, kind: type[ThinkingAnswer | TextAnswer], text: str) -> Iterator[Event]:
        """More of the open block, or of a new one if that is of another kind."""
        if self._open is not kind:
            yield from self._begin(kind())
        yield BlockDelta(index=self._blocks - 1, delta=_DELTAS[kind](text))

    def _begin(self, block: _Block) -> Iterator[Event]:
        yield from self._close()
        self._open = type(block)
        yield BlockStart(index=self._blocks, content_block=block)
        self._blocks += 1

    def _close(self) -> Iterator[Event]:
        if self._open is not None:
            yield BlockStop(index=self._blocks - 1)
        self._open = None

    def _stopped(self, choice: _Choice, *, calls: bool) -> Stopped:
        """Why an answer ends. Some servers say "stop" of one that calls tools; few say before which
        string."""
        reason = _STOP_REASONS.get(choice.finish_reason, "end_turn")
        if reason == "end_turn" and calls:
            return Stopped("tool_use")
        if reason == "end_turn" and choice.stop_reason in self._stops:
            return Stopped("stop_sequence", choice.stop_reason)
        return Stopped(reason)


def _message(answer: _Answer, usage: MessageUsage, niche: Niche | None) -> MessageAnswer:
    """A message that holds nothing yet."""
    return MessageAnswer(
        id=f"msg_{answer.id.rpartition('-')[2]}",
        model=answer.model,
        content=[],
        usage=usage,
        niche=UNSET if niche is None else niche,
    )


def _usage(usage: Usage) -> MessageUsage:
    return MessageUsage(
        input_tokens=max(0, usage.prompt_tokens - usage.cached_tokens),
        output_tokens=usage.completion_tokens,
        cache_read_input_tokens=usage.cached_tokens,
    )


def _called(call: Call, given: dict[str, Any]) -> ToolUseAnswer:
    return ToolUseAnswer(call.id or "", call.called.name or "", given)


def _input(arguments: str | None) -> dict[str, Any]:
    """The arguments of a call; none if they are no object, as those that `max_tokens` cut off."""
    try:
        return _object(arguments or "{}")
    except msgspec.DecodeError:
        return {}


def _sent(event: Event | MessageError) -> bytes:
    return sse(_encode(event), str(event.__struct_config__.tag))
