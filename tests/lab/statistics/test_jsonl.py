"""JSON Lines: what is read, and what is said of what cannot be."""

import errno
import gzip
import json
import os

import pytest

from lab.statistics.jsonl import Fault, read_jsonl, read_log, shorten, string
from router.errors import DataError


def number(fields):
    if "n" not in fields:
        raise Fault("no n")
    return fields["n"]


def test_each_line_is_parsed_and_blank_ones_are_passed_over(tmp_path):
    """Empty lines, a last line without a line break and a byte order mark do no harm."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"n": 1}\n\n  \n{"n": 2}')
    assert read_jsonl(path, number) == [1, 2]


def test_a_compressed_file_is_read_by_its_name(tmp_path):
    """`.gz` says how to read it."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"n": 1}\n'))
    assert read_jsonl(path, number) == [1]


def test_faults_of_the_whole_file_are_told_with_their_lines(tmp_path):
    """The first fault does not hide the others."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\nword\n{"m": 1}\n[1]\n')
    with pytest.raises(DataError) as raised:
        read_jsonl(path, number)
    faults = str(raised.value).splitlines()
    for fault, (line, named) in zip(faults, ((2, "'word'"), (3, "no n"), (4, "[1]")), strict=True):
        assert fault.startswith(f"{path}:{line}: ")
        assert named in fault


def test_of_many_faults_the_first_twenty_are_shown(tmp_path):
    """The others are counted."""
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n" * 1012)
    with pytest.raises(DataError) as raised:
        read_jsonl(path, number)
    lines = str(raised.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 992 more"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"n": "\xff"}', r":1: not UTF-8 \(byte 0xff at 8\).*save"),
        ("{}".encode("utf-16"), r":1: not UTF-8 \(byte 0xff at 1\)"),
        (b"[" * 100_000, r":1: not JSON: '\[\["),
        (b"\n \n", "no rows.*JSON"),
        (b"", "no rows"),
    ],
    ids=["byte", "utf-16", "deep", "blank", "empty"],
)
def test_junk_is_named(tmp_path, raw, message):
    """What is no text, no JSON or nothing at all is an error with its line and the remedy."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message):
        read_jsonl(path, number)


def test_long_values_are_shown_short(tmp_path):
    """An error does not repeat a book."""
    path = tmp_path / "a.jsonl"
    path.write_text("word " * 100_000)
    with pytest.raises(DataError) as raised:
        read_jsonl(path, number)
    assert len(str(raised.value)) < 200 + len(str(path))
    assert shorten("x" * 100).endswith("xxx...")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="absent"),
        pytest.param(b"no gzip", id="not-gzip"),
        pytest.param(gzip.compress(b"{}" * 999, mtime=0)[:-9], id="cut-off"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    """Absent, not what its name says, cut off: one clear error."""
    path = tmp_path / "a.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.jsonl\.gz .+readable file"):
        read_jsonl(path, number)


def test_a_folder_is_no_file(tmp_path):
    """Naming a folder is told as such."""
    with pytest.raises(DataError, match=os.strerror(errno.EISDIR)):
        read_jsonl(tmp_path, number)


def test_cut_lines_of_a_log_are_counted_and_passed_over(tmp_path):
    """A program may be writing at this moment, and a full disk cuts lines."""
    path = tmp_path / "log"
    path.write_text('{"n": 1}\n{"n": \n{"n": 2}\n{"n"')
    assert read_log(path, number) == ([1, 2], 2)


def test_a_log_without_any_whole_line_is_an_error(tmp_path):
    """Another kind of file is not read as an empty log."""
    path = tmp_path / "log"
    path.write_text("GET /\n" * 3)
    with pytest.raises(DataError, match=r"\b3 lines .*decision_log\.path"):
        read_log(path, number)


def test_text_must_be_text_that_can_be_written():
    """Numbers and halves of characters are refused by name."""
    assert string("ä", "text") == "ä"
    with pytest.raises(Fault, match="text is 7"):
        string(7, "text")
    with pytest.raises(Fault, match=r"text .*'\\ud800'.* 2\b.*remove"):
        string(json.loads('"x\\ud800"'), "text")
