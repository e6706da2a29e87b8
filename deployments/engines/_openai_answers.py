"""Turns the bytes of an upstream's answer into chunks with facts, streamed or whole. Without I/O.

An event's `id`, `created` and `model` become the request's, its `usage` goes unless the client
asked for one, and everything else arrives unchanged. An answer is complete with `[DONE]`, or with a
finish reason for every choice that was begun.
"""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
from msgspec import Raw

from deployments.engines._openai_choices import NULL, Choice, is_empty
from deployments.engines._openai_events import MAX_BYTES, Event, EventReader, TooLong
from deployments.engines._openai_format import AnswerFormat, Fields, decode
from deployments.engines._openai_joining import joined
from deployments.engines._openai_requests import Wanted
from deployments.engines._openai_usage import Tally, usage_elsewhere
from deployments.protocol import Chunk, ModelRequest

_DONE = b"[DONE]"
_MAX_HELD = 16  # chunks before the first output: a role, results of a filter, not more
_ENVELOPE = {"id", "object", "created", "model", "choices", "system_fingerprint", "service_tier"}


class Progress:
    """Which choices of an answer have begun, said something, and ended."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.spoken: set[int] = set()
        self.finished: set[int] = set()

    def add(self, choices: list[Choice]) -> tuple[bool, tuple[tuple[int, str], ...]]:
        """Whether the choices say something, and the reasons of those that end with this."""
        output, reasons = False, []
        for choice in choices:
            index = choice.index or 0
            if choice.said():
                output = True
                self.spoken.add(index)
            if index in self.finished:
                continue
            if choice.finish_reason:
                reasons.append((index, choice.finish_reason))
                self.finished.add(index)
                self.open.discard(index)
            else:
                self.open.add(index)
        return output, tuple(reasons)


class StreamedAnswer:
    """Reads one streamed answer.

    Args:
        request: what is answered.
        wanted: how the client wants it.
        key: what no error may show.

    Attributes:
        done: whether the server said that this is all.
        tally: the tokens so far.
        format: what the answer's JSON is read and written with.
    """

    def __init__(self, request: ModelRequest, wanted: Wanted, key: str | None = None) -> None:
        self.done = False
        self.tally = Tally(wanted.bounds)
        self.format = AnswerFormat(request, key)
        self._wanted = wanted
        self._reader, self._progress = EventReader(), Progress()
        self._first = True
        self._held: list[Chunk] = []
        self._usage: Fields = {}  # the event that told it

    @property
    def finished(self) -> bool:
        """Whether all was said that the client asked for; at most a usage is missing."""
        choices = self._wanted.choices
        return self.done or (choices is not None and len(self._progress.finished) >= choices)

    @property
    def whole(self) -> bytes | None:
        """The answer of a server that does not stream; None: it does."""
        return None if self._reader.whole is None else bytes(self._reader.whole)

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """The chunks that can be sent now.

        Raises:
            BackendError: the server reports an error, or sends what is no answer.
        """
        try:
            events = self._reader.feed(data)
        except TooLong as error:
            raise self.format.unusable(str(error)) from error
        for event in events:
            yield from self._read(event)

    def end(self, seconds: float, prefill_seconds: float | None = None) -> Iterator[Chunk]:
        """The chunks that end the answer, once its bytes have ended; the last one has the usage.

        Args:
            seconds: the duration of the request.
            prefill_seconds: until its first chunk.

        Raises:
            BackendError: it broke off, or was none.
        """
        whole = self.whole
        if whole is not None:
            yield from self._passed(self._from_whole(self.format.read(whole, whole=True)))
        for event in self._reader.flush():
            if _is_complete(event.data):
                yield from self._read(event)
        if not self.format.told:
            raise self.format.unusable("what is not an answer")
        if self._progress.open and not self.done:
            raise self.format.unusable("a stream that ended before the answer was complete")
        chunks = self._ending()
        yield from chunks[:-1]
        yield replace(chunks[-1], usage=self.tally.usage(seconds, prefill_seconds))

    def _read(self, event: Event) -> Iterator[Chunk]:
        data = event.data.strip()
        if data == _DONE:
            self.done = True
        if self.done or not data:
            return
        if event.name == b"error":
            raise self.format.error(data)
        chunk = self._chunk(self.format.read(data))
        if chunk is not None:
            yield from self._passed(chunk)

    def _passed(self, chunk: Chunk) -> Iterator[Chunk]:
        """What may go on now. What comes before the model says something is held back, since an
        error after it is no longer one before the first chunk; and so is what may be the last
        chunk, since that has the usage."""
        self._held.append(chunk)
        if not self._progress.spoken and len(self._held) < _MAX_HELD:
            return
        may_be_last = not (self._progress.open or self._wanted.usage)
        while len(self._held) > may_be_last:
            yield self._held.pop(0)

    def _ending(self) -> list[Chunk]:
        """What was held back, an end for choices that have none, and the usage if it is wanted."""
        chunks = self._held
        if self._progress.open:
            indices = sorted(self._progress.open)
            reasons = tuple((index, "stop") for index in indices)
            data = self.format.end(indices)
            chunks.append(Chunk(data, output=False, finish_reasons=reasons))
        if self._wanted.usage:
            fields = self._usage | {"choices": Raw(b"[]"), "usage": self.tally.as_json()}
            chunks.append(Chunk(self.format.event(fields), output=False))
        return chunks

    def _chunk(self, fields: Fields) -> Chunk | None:
        """The chunk of an event, unless it tells the client nothing."""
        usage = fields.pop("usage", None)
        if is_empty(fields.get("choices")):
            return self._without_choice(fields, usage)
        if usage is not None and self._wanted.usage:
            fields["usage"] = usage if self._wanted.usage_each else NULL
        part, spoken = self.format.event_part, self._progress.spoken
        choices = self.format.choices(fields, part, ends=False, spoken=spoken)
        self.format.mark_calls(fields, choices, part)
        if is_empty(usage):
            usage = usage_elsewhere(fields.get("x_groq"), choices)
        seen = sum(choice.tokens() for choice in choices)
        return self._with_facts(fields, choices, self.tally.add(seen, usage))

    def _without_choice(self, fields: Fields, usage: Raw | None) -> Chunk | None:
        """Pings and usages go no further; what else a server tells beside the answer does."""
        if not is_empty(usage):
            self.tally.add(0, usage)
            self._usage = fields
            return None
        if "choices" not in fields or not fields.keys() - _ENVELOPE:
            return None
        fields["choices"] = Raw(b"[]")
        return self._with_facts(fields, [], 0)

    def _from_whole(self, fields: Fields) -> Chunk:
        """The one chunk of a server that does not stream."""
        usage = fields.pop("usage", None)
        if is_empty(fields.get("choices")):
            raise self.format.unusable("what is not an answer")
        self.done = True
        choices = self.format.choices(fields, self.format.event_part, ends=True)
        self.format.mark_calls(fields, choices, self.format.event_part)
        seen = sum(choice.estimated_tokens() for choice in choices)
        return self._with_facts(fields, choices, self.tally.add_whole(seen, usage))

    def _with_facts(self, fields: Fields, choices: list[Choice], tokens: int) -> Chunk:
        output, reasons = self._progress.add(choices)
        prompt_tokens = self.tally.prompt_tokens if self._first else None
        self._first = False
        return Chunk(self.format.event(fields), output, prompt_tokens, tokens, reasons)


class WholeAnswer:
    """Reads one whole answer; also that of a server that streams it without being asked to."""

    def __init__(self, request: ModelRequest, wanted: Wanted, key: str | None = None) -> None:
        self._streamed = StreamedAnswer(
            request, Wanted(choices=wanted.choices, bounds=wanted.bounds), key
        )
        self._format = self._streamed.format
        self._chunks: list[Chunk] = []
        self._bytes = 0

    @property
    def done(self) -> bool:
        """Whether a server that streams has said that this is all."""
        return self._streamed.done

    @property
    def finished(self) -> bool:
        """Whether a server that streams has ended every choice."""
        return self._streamed.finished

    @property
    def tokens(self) -> int:
        """Those of a server that streams, so far."""
        return self._streamed.tally.tokens

    def feed(self, data: bytes) -> None:
        """Takes bytes.

        Raises:
            BackendError: the server reports an error, or sends what is no answer.
        """
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise self._format.unusable(str(TooLong("an answer", MAX_BYTES)))
        self._chunks.extend(self._streamed.feed(data))

    def end(self, seconds: float) -> Chunk:
        """The answer, once its bytes have ended; `seconds` is the duration of the request.

        Raises:
            BackendError: it broke off, or was none.
        """
        tally = self._streamed.tally
        body = self._streamed.whole
        if body is None:
            self._chunks.extend(self._streamed.end(seconds))
            chat = self._format.answer_part == "message"
            whole = joined((chunk.data for chunk in self._chunks), chat=chat)
            fields = decode(msgspec.json.encode(whole))
        else:
            fields = self._format.read(body, whole=True)
        usage = fields.pop("usage", None)
        if is_empty(fields.get("choices")):
            raise self._format.unusable("what is not an answer")
        choices = self._format.choices(fields, self._format.answer_part, ends=True)
        if body is not None:
            self._format.mark_calls(fields, choices, self._format.answer_part)
            tally.add_whole(sum(choice.estimated_tokens() for choice in choices), usage)
        output, reasons = Progress().add(choices)
        fields["usage"] = tally.as_json()
        counted = tally.usage(seconds)
        return Chunk(
            self._format.answer(fields),
            output,
            counted.prompt_tokens or None,
            counted.completion_tokens,
            reasons,
            usage=counted,
        )


def _is_complete(data: bytes) -> bool:
    """Whether the last event, whose end is missing, is whole."""
    if data.strip() == _DONE:
        return True
    try:
        decode(data)
    except ValueError:
        return False
    return True
