"""How long the engine worked for each request, where requests share forward passes.

The time of a pass is divided by the tokens that it worked on: of a prompt many, of an answer one. A
pass is over when a request that has reported its part reports again.
"""

import threading
import time
from collections.abc import Callable


class WorkClock:
    """Divides the engine's time among the calls in progress. May be used from any thread."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now, self._lock = now, threading.Lock()
        self._seconds: dict[object, float] = {}
        self._pass: dict[object, int] = {}
        self._settled = self._reported = 0.0

    def begin(self, call: object) -> None:
        """A call is in progress from now on."""
        with self._lock:
            self._settle()
            self._reported = self._now()
            self._seconds[call] = 0.0

    def report(self, call: object, tokens: int) -> None:
        """A forward pass has worked on this many tokens of a call."""
        with self._lock:
            self._reported = self._now()
            if call in self._pass:
                self._settle()
            if tokens and call in self._seconds:
                self._pass[call] = tokens

    def end(self, call: object) -> float:
        """The seconds of a call, which is over."""
        with self._lock:
            self._settle()
            self._pass.pop(call, None)
            return self._seconds.pop(call, 0.0)

    def stalled_seconds(self) -> float:
        """Seconds since something happened, if a call is in progress; else 0."""
        with self._lock:
            return self._now() - self._reported if self._seconds else 0.0

    def _settle(self) -> None:
        """Divides the time since the last settlement by what was reported in it."""
        now = self._now()
        elapsed, self._settled = now - self._settled, now
        shares: dict[object, int] = self._pass or dict.fromkeys(self._seconds, 1)
        total = sum(shares.values())
        for call, tokens in shares.items():
            self._seconds[call] += elapsed * tokens / total
        self._pass = {}
