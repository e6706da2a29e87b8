"""What became of one request, and the reading of a stream that makes it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["answered", "left", "refused", "failed", "unsent", "unfinished"]
"""A client that left meant to. Refused: 429 or 503, before anything was answered. Unsent: too many
were in flight already. Unfinished: the run was stopped."""

DONE = b"[DONE]"
_SHOWN = 160


class Broken(Exception):
    """The stream is none, or not whole."""


@dataclass(frozen=True)
class Answer:
    """One request, looked back on. Times are in seconds, and those of patient readers alone are the
    server's; None is not known.

    Attributes:
        outcome: what became of it.
        why: a code or a sentence, where it was not answered.
        first: from when it was due to the first token.
        seconds: from when it was due to the end.
        gaps: between a piece of text and the next.
        late: from when it was due to when it was sent.
        model: who answered.
        usage: what the last piece says of tokens, engine seconds and cost.
    """

    outcome: Outcome
    why: str = ""
    first: float | None = None
    seconds: float = 0.0
    gaps: tuple[float, ...] = ()
    late: float = 0.0
    model: str | None = None
    usage: dict[str, float] = field(default_factory=dict)


_USED = ("prompt_tokens", "completion_tokens")
_COSTS = ("engine_seconds", "cost", "baseline_cost", "attributed_cost")


class Reading:
    """An answer while it comes.

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

    def take(self, payload: bytes) -> None:
        """Reads one event's data.

        Raises:
            Broken: it is an error, or no object as the protocol has it.
        """
        event = _object(payload)
        try:
            self._note(event)
        except (AttributeError, TypeError, ValueError) as error:
            raise Broken(f"an event of another form: {payload[:_SHOWN]!r}") from error

    def _note(self, event: dict[str, Any]) -> None:
        niche = event.get("niche") or {}
        self._model = niche.get("model") or self._model or event.get("model")
        for names, told in ((_USED, event.get("usage") or {}), (_COSTS, niche)):
            self._usage |= {name: float(told[name]) for name in names if name in told}
        for choice in event.get("choices") or ():
            self._finished = self._finished or bool(choice.get("finish_reason"))
            if (choice.get("delta") or {}).get("content"):
                self._piece()

    def _piece(self) -> None:
        now = self._clock()
        if self._last is None:
            self._first = now - self._due
        else:
            self._gaps.append(now - self._last)
        self._last = now

    @property
    def pieces(self) -> int:
        """How many pieces of text have come."""
        return 0 if self._first is None else len(self._gaps) + 1

    def ended(self, outcome: Outcome, why: str = "") -> Answer:
        """The answer, now."""
        return Answer(
            outcome,
            why,
            self._first,
            self._clock() - self._due,
            tuple(self._gaps),
            self._sent - self._due,
            self._model,
            self._usage,
        )

    def whole(self) -> Answer:
        """The answer, its stream having ended as it should.

        Raises:
            Broken: nobody said that it was finished.
        """
        if not self._finished:
            raise Broken("the stream ended early")
        return self.ended("answered")


def events(read: Callable[[], bytes], longest: int) -> Iterator[bytes]:
    """The data of a stream's events, up to and without `[DONE]`.

    Args:
        read: gives what has come, waits where nothing has, and gives nothing at the end.
        longest: bytes that a stream may have.

    Raises:
        Broken: it has more, or ends without `[DONE]`.
    """
    rest, size = b"", 0
    while data := read():
        size += len(data)
        if size > longest:
            raise Broken(f"more than {longest:,} bytes")
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            payload = line.removeprefix(b"data:").strip()
            if payload == DONE:
                return
            yield payload
    raise Broken("the stream ended early")


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Broken(f"an event that is no JSON object: {payload[:_SHOWN]!r}")
    if found.get("error"):
        raise Broken(f"the stream failed: {json.dumps(found['error'])[:_SHOWN]}")
    return found
