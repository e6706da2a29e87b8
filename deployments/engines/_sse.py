"""Server-sent events: bytes in, the `data` of each event out.

Lines end in LF, CRLF or CR and nothing else: text within JSON may hold other Unicode line breaks,
at which `str.splitlines` would tear it apart. Bytes are decoded a line at a time, so a character
may arrive in pieces.
"""

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventParser:
    """Holds the unfinished line and the unfinished event."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that `piece` completes."""
        text = self._rest + piece
        end = len(text) - text.endswith(b"\r")  # a last CR may be half of a CRLF
        *lines, rest = _LINE_END.split(text[:end])
        self._rest = rest + text[end:]
        return [event for line in lines if (event := self._line(line)) is not None]

    def close(self) -> list[str]:
        """The event that the stream's end completes: some servers leave out the last blank line."""
        return self.feed(b"\n\n")

    def _line(self, line: bytes) -> str | None:
        if not line:
            data, self._data = self._data, []
            return "\n".join(data) if data else None
        field, _, value = line.partition(b":")
        if field == b"data":  # a comment begins with a colon: its field is empty
            self._data.append(value.removeprefix(b" ").decode("utf-8", errors="replace"))
        return None
