"""What a client sees of a stream: when tokens come, and whether it stalls."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

STALL_PACES = 2.0
"""A stream stalls if a gap between two tokens is longer than this many times the pace."""

_TOKEN = re.compile(rb'"content"\s*:\s*"(?!")')
"""Text in an event. A search instead of JSON: the client must not be the limit."""


class TokenTimes:
    """Reads the body of a stream.

    Attributes:
        tokens: events with text so far.
        first: the time of the first of them; None before it.
        worst_gap: the longest time between two of them, in seconds.
        done: whether the stream ended with `[DONE]`.
    """

    def __init__(self) -> None:
        self.tokens = 0
        self.first: float | None = None
        self.worst_gap = 0.0
        self.done = False
        self._last = 0.0
        self._rest = b""

    def feed(self, body: bytes, now: float) -> int:
        """Reads a piece of the body that arrived now; returns the number of tokens in it."""
        *lines, self._rest = (self._rest + body).split(b"\n")
        found = 0
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            if _TOKEN.search(line):
                found += 1
            elif line[5:].strip() == b"[DONE]":
                self.done = True
        if found:
            self._note(found, now)
        return found

    def _note(self, found: int, now: float) -> None:
        self.tokens += found
        if self.first is None:
            self.first = now
        else:
            self.worst_gap = max(self.worst_gap, now - self._last)
        self._last = now


@dataclass(frozen=True)
class StreamResult:
    """One stream, in seconds.

    Attributes:
        first: from the request to the first token; None: no token came.
        worst_gap: the longest time between two tokens.
        tokens: events with text.
        complete: whether it came to its end.
    """

    first: float | None
    worst_gap: float
    tokens: int
    complete: bool

    def stalled(self, pace: float) -> bool:
        """Whether it stalled, failed or was cut."""
        return not self.complete or self.first is None or self.worst_gap > STALL_PACES * pace


def stall_free_share(streams: Sequence[StreamResult], pace: float) -> float:
    """The share of the streams that came to their end without a stall; 0 without streams."""
    return sum(not of.stalled(pace) for of in streams) / max(len(streams), 1)
