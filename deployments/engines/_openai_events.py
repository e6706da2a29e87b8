r"""Splits the bytes of an answer into server-sent events, however they are cut. Without I/O.

An answer that is no stream, as its first bytes show, is kept whole. Lines end with `\n`, `\r\n` or
`\r`, and at no other character that Unicode takes for a line end. The work is linear in the bytes,
also if they come one at a time, and what is kept is bounded.
"""

from typing import NamedTuple

MAX_BYTES = 64 * 2**20
"""What is kept of one event, and of one whole answer."""

_BLANK = b"\xef\xbb\xbf \t\r\n"  # a byte order mark and white space: nothing is told by them
_NO_EVENTS = (b"{", b"[", b"<")  # how JSON and HTML begin
_LINE_OVERHEAD = 64  # bytes that Python needs beside a line, so that short lines are bounded too


class TooLong(ValueError):
    """A server sends more than is kept of one event or one answer."""

    def __init__(self, what: str, max_bytes: int) -> None:
        super().__init__(f"{what} of more than {max_bytes // 2**20} MB")


class Event(NamedTuple):
    """The data of one event, and the name of its kind, which most servers leave out."""

    data: bytes
    name: bytes = b""


class EventReader:
    """Takes an answer's bytes as they come, and gives the events in them.

    Attributes:
        whole: the bytes of an answer that is no stream; None: it is one, or has not begun.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.whole: bytearray | None = None
        self._begun = False
        self._max_bytes = max_bytes
        self._partial = bytearray()  # a line whose end has not come
        self._data: list[bytes] = []  # the lines of an event whose end has not come
        self._data_bytes = 0
        self._name = b""
        self._after_return = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete now.

        Raises:
            TooLong: an event, or an answer that is no stream, is longer than `max_bytes`.
        """
        if not data:
            return []
        if not self._begun:
            data = self._beginning(data)
        if self.whole is not None:
            self.whole += data
            if len(self.whole) > self._max_bytes:
                raise TooLong("an answer", self._max_bytes)
            return []
        if self._after_return and data.startswith(b"\n"):
            data = data[1:]  # the second half of a line end, whose line was read already
        self._after_return = data.endswith(b"\r")
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        block, rest = data[:end], data[end:]
        if end and self._partial:
            block = bytes(self._partial + block)
            self._partial = bytearray()
        if rest:
            self._partial += rest
            self._check()
        return self._events(block.splitlines()) if block else []

    def flush(self) -> list[Event]:
        """The event at the end of the stream, if nothing but its end is missing."""
        lines = bytes(self._partial).splitlines()
        self._partial = bytearray()
        return self._events([*lines, b""])

    def _beginning(self, data: bytes) -> bytes:
        data = data.lstrip(_BLANK)
        self._begun = bool(data)
        if data.startswith(_NO_EVENTS):
            self.whole = bytearray()
        return data

    def _events(self, lines: list[bytes]) -> list[Event]:
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._add(line[6:] if line.startswith(b" ", 5) else line[5:])
            elif not line:
                if self._data:
                    events.append(Event(b"\n".join(self._data), self._name))
                    self._data, self._data_bytes = [], 0
                self._name = b""
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
        return events

    def _add(self, line: bytes) -> None:
        self._data.append(line)
        self._data_bytes += len(line) + _LINE_OVERHEAD
        self._check()

    def _check(self) -> None:
        if len(self._partial) + self._data_bytes > self._max_bytes:
            raise TooLong("an event", self._max_bytes)
