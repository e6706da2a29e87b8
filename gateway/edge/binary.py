"""A copy of HAProxy with our words in what its parser says.

HAProxy before 3.3 answers what is no HTTP, and a head that comes too slowly, with texts that are
compiled into it: HTML, whatever `errorfile` says (haproxy#3032). The copy has ours in their places,
byte for byte as long. Rule: nothing else differs, and a program whose texts are not found as they
are known is left as it is.
"""

import json
import re
from pathlib import Path

from gateway.edge.answers import ANSWERS, EdgeAnswer

PARSERS = (400, 408, 413, 422, 500, 501)
"""What its parser says."""


def write_copy(folder: Path, binary: Path) -> Path:
    """Writes a copy with our words, beside a link to its libraries; returns its path, or the
    original's if its texts are others.

    Args:
        folder: for the copy.
        binary: HAProxy.
    """
    program = binary.read_bytes()
    ours = with_our_words(program)
    if ours == program:
        return binary
    folder.mkdir()
    (folder / "lib").symlink_to(binary.parent / "lib")  # where it looks for them
    copy = folder / "haproxy"
    copy.write_bytes(ours)
    copy.chmod(0o755)
    return copy


def with_our_words(program: bytes) -> bytes:
    """The same program with our answers; without them if one does not fit in."""
    ours = program
    for status in PARSERS:
        found = re.findall(rb"HTTP/1\.1 %d [^\0]*</html>\n\0" % status, program)
        answer = _fitted(status, ANSWERS[status], len(found[0]) - 1) if len(found) == 1 else None
        if answer is None:
            return program
        ours = ours.replace(found[0], answer + b"\0")
    return ours


def _fitted(status: int, answer: EdgeAnswer, length: int) -> bytes | None:
    """The response in so many bytes, with blanks at its end; None: it is longer."""
    head = (
        f"HTTP/1.1 {status} {answer.reason}\r\ncontent-type:application/json\r\n"
        "connection:close\r\n\r\n"  # which tells its length too
    )
    response = head + json.dumps(answer.body(), separators=(",", ":"))
    return response.ljust(length).encode() if len(response) <= length else None
