"""Finds what holds the gateway's event loop for longer than a millisecond; for contributors.

`NICHE_DEBUG_LOOP=1 niche serve` starts it in each gateway replica. A timer beats on the loop. While
a beat is late, a thread samples the stack of the loop's thread, and when the beat comes the log has
a line with how long the loop was held and where most samples were, innermost call first:

    {"level": "warning", "logger": "gateway.loop_watch", "message": "the event loop was held",
     "seconds": 0.0042, "samples": 6, "stack": ["gateway/body.py:96 _object", ...]}

A line without a stack: no thread could look, since C code kept the GIL, or other threads had it. A
stack that ends in a short call that releases the GIL, such as `uuid4`, waited for it. A loop that
waits for work, or for a CPU, is not held. The watch costs some percent of a core.
"""

import asyncio
import logging
import selectors
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import FrameType

HELD_SECONDS = 0.001
"""How late a beat may be."""
_BEAT_SECONDS = 0.001
_SAMPLE_SECONDS = 0.0005
_FRAMES = 20
_SELECT = f"{selectors.DefaultSelector.__name__}.select"
_log = logging.getLogger("gateway.loop_watch")

Stack = tuple[str, ...]

Report = Callable[[float, int, Stack], object]
"""Receives one hold: its seconds, the number of samples, and the stack of most of them."""


class LoopWatch:
    """The watch of one event loop, without its timer and its thread.

    Args:
        clock: monotonic seconds.
        stack: the stack of the loop's thread, innermost call first; empty while it waits.
        report: called for each hold, on the loop's thread.
    """

    def __init__(
        self, clock: Callable[[], float], stack: Callable[[], Stack], report: Report
    ) -> None:
        self._clock, self._stack, self._report = clock, stack, report
        self._due = clock()
        self._samples = Counter[Stack]()

    def beat(self) -> None:
        """The loop is alive; reports if it was held since the beat was due."""
        now = self._clock()
        late, samples, self._samples = now - self._due, self._samples, Counter()
        self._due = now + _BEAT_SECONDS
        waited = samples.pop((), 0)
        if late > HELD_SECONDS and (samples or not waited):
            stack = max(samples, key=samples.__getitem__, default=())
            self._report(late, samples.total(), stack)

    def look(self) -> None:
        """Samples the stack if the beat is late; called from another thread."""
        if self._clock() - self._due > HELD_SECONDS:
            self._samples[self._stack()] += 1


def watch_running_loop(report: Report | None = None) -> Callable[[], None]:
    """Watches the running event loop until the returned function is called, or the process ends.

    Args:
        report: the log, unless given.
    """
    loop, thread = asyncio.get_running_loop(), threading.get_ident()
    callers: list[FrameType | None] = []
    watch = LoopWatch(time.monotonic, lambda: _stack_of(thread, callers), report or _write)
    ended = threading.Event()

    def beat() -> None:
        callers[:] = [sys._getframe().f_back]
        watch.beat()
        if not ended.is_set():
            loop.call_later(_BEAT_SECONDS, beat)

    def look() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            watch.look()

    def end() -> None:
        ended.set()
        sys.setswitchinterval(switch_interval)

    # The interpreter's 5 ms would let a hold end before the thread gets the GIL.
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(_SAMPLE_SECONDS)
    loop.call_soon(beat)
    threading.Thread(target=look, name="loop-watch", daemon=True).start()
    return end


def _stack_of(thread: int, callers: Sequence[FrameType | None]) -> Stack:
    """The stack of a thread whose event loop calls its callbacks from one of `callers`."""
    frame: FrameType | None = sys._current_frames().get(thread)
    # asyncio's loop waits in `select`; uvloop waits in C code, below whoever runs the loop.
    if frame in callers or (frame and frame.f_code.co_qualname == _SELECT):
        return ()
    lines: list[str] = []
    while frame is not None and len(lines) < _FRAMES:
        code = frame.f_code
        lines.append(f"{code.co_filename}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return tuple(lines)


def _write(seconds: float, samples: int, stack: Stack) -> None:
    fields = {"seconds": round(seconds, 4), "samples": samples, "stack": stack}
    _log.warning("the event loop was held", extra={"fields": fields})
