"""The log of a replica: lines of JSON on its standard error.

A line has the message, the fields passed as `extra={"fields": ...}`, and the fields that `about`
set for the current request.

Rule: whoever logs never waits for the disk. Lines go through a bounded queue to a thread, which
writes what came together in one piece, to file descriptor 2 itself: Ray Serve may replace
`sys.stderr` by an object that walks the stack for every line. When the queue is full, lines are
dropped and counted, and a line says how many as soon as there is room. The end of the process
writes what is queued.
"""

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec
from typing_extensions import override

STANDARD_ERROR = 2
QUEUED_LINES = 4096
"""Lines that may wait for the disk before further ones are dropped."""
_GATHER_SECONDS = 0.02
"""How long lines wait for others, to be written together."""
_CLOSE_SECONDS = 2.0
"""How long the end of the process waits for a standard error that nobody reads."""

_about: ContextVar[Mapping[str, object] | None] = ContextVar("about", default=None)


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Adds fields to every log line of this task, and of tasks that it starts, in the block."""
    token = _about.set(fields)
    try:
        yield
    finally:
        _about.reset(token)


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON."""

    _encode = msgspec.json.Encoder(enc_hook=str).encode

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Formats one record."""
        return self.line(record).decode()

    def line(self, record: logging.LogRecord) -> bytes:
        """One record in UTF-8, without a line break."""
        fields: dict[str, object] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(_about.get() or {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        try:
            return self._encode(fields)
        except (TypeError, ValueError, OverflowError):
            # Such as half a surrogate pair, which is no UTF-8; `json` escapes it.
            return json.dumps(fields, default=str).encode()


def _time(seconds: float) -> str:
    """Unix seconds as UTC, to the millisecond."""
    whole = int(seconds)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{moment}.{int((seconds - whole) * 1000):03d}Z"


class LineWriter:
    """Writes lines to a file from a thread, which starts with the first line.

    Args:
        file: a file descriptor; the writer owns it.
        most_lines: how many lines may be queued.
    """

    def __init__(self, file: int, most_lines: int = QUEUED_LINES) -> None:
        self._file, self._most_lines = file, most_lines
        self._lines = deque[bytes]()
        self._dropped = 0
        self._ready, self._closing = threading.Event(), threading.Event()
        self._lock = threading.RLock()  # of the thread's start and of the count
        self._thread: threading.Thread | None = None

    def write(self, line: bytes) -> None:
        """Queues a line, or drops it when the queue is full; any thread may call."""
        if len(self._lines) >= self._most_lines:
            self._drop(1)
            return
        self._lines.append(line)
        if not self._ready.is_set():
            self._ready.set()
            self._start()

    def close(self) -> None:
        """Returns when the queue is written, or nobody reads it; further lines are lost."""
        self._closing.set()
        self._ready.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._ready.wait()
            self._closing.wait(_GATHER_SECONDS)
            self._ready.clear()
            self._write_queued()
        self._write_queued()  # what came during the last writing

    def _write_queued(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        missing = [_dropped_line(dropped)] if dropped else []
        data = memoryview(b"".join(line + b"\n" for line in lines + missing))
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:  # such as a full disk: the next line that can be written reports it
            self._drop(len(lines) + dropped)

    def _drop(self, lines: int) -> None:
        with self._lock:
            self._dropped += lines


def _dropped_line(lines: int) -> bytes:
    fields = {
        "time": _time(time.time()),
        "level": "warning",
        "logger": __name__,
        "message": "lines of the log were dropped",
        "lines": lines,
    }
    return msgspec.json.encode(fields)


class _LineHandler(logging.Handler):
    """Hands records to a writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer, self._formatter = writer, JsonFormatter()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.write(self._formatter.line(record))
        except Exception:  # noqa: BLE001 - as in every handler: a line must not fail a request
            self.handleError(record)

    @override
    def close(self) -> None:
        """Writes what is queued; `logging` calls this at the end of the process."""
        self._writer.close()
        super().close()


def log_as_json(*names: str) -> None:
    """Sends the lines of loggers, and of their children, to standard error, from `info` on."""
    # A copy, since libraries that silence their own output point descriptor 2 elsewhere.
    handler = _LineHandler(LineWriter(os.dup(STANDARD_ERROR)))
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
