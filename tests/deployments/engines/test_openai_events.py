"""How the bytes of a stream are split into events."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.engines._openai_events import Event, EventReader, TooLong

LINES = st.sampled_from(
    ["data: a", "data:b", "data:", "data", ": comment", "id: 3", "event: e", "", "x", "data:  c "]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def split(data: bytes, *cuts: int) -> list[Event]:
    reader = EventReader()
    edges = [0, *sorted(cuts), len(data)]
    events = []
    for start, end in pairwise(edges):
        events += reader.feed(data[start:end])
    return events + reader.flush()


def naive(text: str) -> list[Event]:
    """The standard's words, one line after the other, on the whole stream."""
    events, data, name = [], [], ""
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif not line:
            events += [Event("\n".join(data).encode(), name.encode())] if data else []
            data, name = [], ""
    return events


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(0, 200), max_size=8))
def test_events_are_the_same_wherever_the_bytes_are_cut(lines, cuts):
    """Also between the two halves of a line end."""
    text = "".join(line + end for line, end in lines).lstrip()

    assert split(text.encode(), *(cut for cut in cuts if cut <= len(text))) == naive(text)


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\r\n\r\ndata: b\r\r", [b"a", b"b"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a\ndata:  b\n\n", [b"a\n b"]),
        (b"data: a\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8b\n\n", [b"a\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8b"]),
        (b": ping\n\nevent: e\nid: 1\n\n", []),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
    ],
    ids=["plain", "line ends", "mark", "lines", "no line ends", "no data", "cut", "half cut"],
)
def test_an_event_is_its_data(data, events):
    """However its lines end, and whatever stands between."""
    assert [event.data for event in split(data)] == events
    assert [event.data for event in split(data, *range(len(data)))] == events


def test_an_event_comes_with_its_end_and_no_later():
    """A line end of one character is not kept waiting for a second one."""
    reader = EventReader()

    assert reader.feed(b"data: a\r\r") == [Event(b"a")]
    assert reader.feed(b"\ndata: b\n\n") == [Event(b"b")]


@pytest.mark.parametrize(
    "body",
    [b'{"a": 1}', b"\n [1]", b"\xef\xbb\xbf<html>"],
    ids=["object", "list", "page after a byte order mark"],
)
def test_what_is_no_stream_is_kept_whole(body):
    """As its first bytes show, though they come one by one."""
    reader = EventReader()

    assert [reader.feed(body[at : at + 1]) for at in range(len(body))] == [[]] * len(body)
    assert reader.whole == body.lstrip(b"\xef\xbb\xbf\n ")


@pytest.mark.parametrize(
    "piece",
    [b"data: " + b"x" * 99, b"data: " + b"x" * 99 + b"\n", b"data:\n" * 9, b"{" + b"x" * 99],
)
def test_what_is_kept_is_bounded(piece):
    """An event, a line or an answer without an end is an error that names the limit."""
    reader = EventReader(max_bytes=2**20)

    def feed_for_ever():
        while True:
            reader.feed(piece if reader.whole is None else b"x" * 99)

    with pytest.raises(TooLong, match="1 MB"):
        feed_for_ever()


def test_comments_without_an_end_are_not_kept():
    """They may come for ever."""
    reader = EventReader(max_bytes=200)

    for _ in range(100):
        assert reader.feed(b": waiting for the model\n") == []


def test_the_work_is_linear():
    """Twenty times the bytes, one at a time, take no hundred times the time."""

    def seconds(size: int) -> float:
        reader = EventReader()
        started = time.process_time()
        for _ in range(size):
            reader.feed(b"x")
        assert [event.data for event in reader.feed(b"\n\n")] == []
        return time.process_time() - started

    seconds(10_000)
    assert seconds(400_000) < 100 * max(seconds(20_000), 0.005)
