"""The result of one request, and how it is read from the stream of its answer."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["answered", "disconnected", "refused", "failed", "unsent", "unfinished"]
"""Disconnected: the client meant to hang up. Refused: 429 or 503, before anything was answered.
Unsent: too many requests were in flight already. Unfinished: the run was stopped."""

DONE = b"[DONE]"
_SHOWN = 160


class StreamError(Exception):
    """The stream is invalid or incomplete."""


@dataclass(frozen=True)
class RequestResult:
    """One request and its times in seconds; None: not known.

    Attributes:
        outcome: how it ended.
        reason: why it was not answered: a code or a message.
        first: from when it was due to the first token.
        seconds: from when it was due to the end.
        gaps: between one piece of text and the next.
        late: from when it was due to when it was sent.
        model: the model that answered.
        usage: tokens, engine seconds and costs, as the last event reports them.
    """

    outcome: Outcome
    reason: str = ""
    first: float | None = None
    seconds: float = 0.0
    gaps: tuple[float, ...] = ()
    late: float = 0.0
    model: str | None = None
    usage: dict[str, float] = field(default_factory=dict)


_TOKENS = ("prompt_tokens", "completion_tokens")
_COSTS = ("engine_seconds", "cost", "baseline_cost", "attributed_cost")


class ResultBuilder:
    """Collects the events of a stream into a result.

    Args:
        clock: monotonic seconds.
        due: when by this clock the request should have been sent.
    """

    def __init__(self, clock: Callable[[], float], due: float) -> None:
        self._clock, self._due = clock, due
        self._sent = clock()
        self._last: float | None = None
        self._first: float | None = None
        self._gaps: list[float] = []
        self._model: str | None = None
        self._usage: dict[str, float] = {}
        self._finished = False

    def add(self, payload: bytes) -> None:
        """Reads the data of one event.

        Raises:
            StreamError: it is an error, or not a chunk of the protocol.
        """
        event = _object(payload)
        try:
            self._read(event)
        except (AttributeError, TypeError, ValueError) as error:
            raise StreamError(f"unexpected form of an event: {payload[:_SHOWN]!r}") from error

    def _read(self, event: dict[str, Any]) -> None:
        niche = event.get("niche") or {}
        self._model = niche.get("model") or self._model or event.get("model")
        for names, reported in ((_TOKENS, event.get("usage") or {}), (_COSTS, niche)):
            self._usage |= {name: float(reported[name]) for name in names if name in reported}
        for choice in event.get("choices") or ():
            self._finished = self._finished or bool(choice.get("finish_reason"))
            if (choice.get("delta") or {}).get("content"):
                self._note_text()

    def _note_text(self) -> None:
        now = self._clock()
        if self._last is None:
            self._first = now - self._due
        else:
            self._gaps.append(now - self._last)
        self._last = now

    def result(self, outcome: Outcome, reason: str = "") -> RequestResult:
        """The result so far."""
        return RequestResult(
            outcome,
            reason,
            self._first,
            self._clock() - self._due,
            tuple(self._gaps),
            self._sent - self._due,
            self._model,
            self._usage,
        )

    def answered(self) -> RequestResult:
        """The result at the end of the stream.

        Raises:
            StreamError: no event had a finish reason.
        """
        if not self._finished:
            raise StreamError("the stream ended early")
        return self.result("answered")


def event_data(read: Callable[[], bytes], max_bytes: int) -> Iterator[bytes]:
    """The data of a stream's events before `[DONE]`.

    Args:
        read: returns the next bytes; blocks until there are some; returns b"" at the end.
        max_bytes: the size limit of a stream.

    Raises:
        StreamError: the stream is longer, or ends without `[DONE]`.
    """
    rest, size = b"", 0
    while data := read():
        size += len(data)
        if size > max_bytes:
            raise StreamError(f"more than {max_bytes:,} bytes")
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            payload = line.removeprefix(b"data:").strip()
            if payload == DONE:
                return
            yield payload
    raise StreamError("the stream ended early")


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StreamError(f"an event is not a JSON object: {payload[:_SHOWN]!r}")
    if found.get("error"):
        raise StreamError(f"the stream failed: {json.dumps(found['error'])[:_SHOWN]}")
    return found
