"""What a client sees of a stream."""

import json

import pytest

from loadtests.bench.stream import StreamResult, TokenTimes, stall_free_share

PACE = 0.02


def event(content: str, space: str = "") -> bytes:
    fields = {"choices": [{"index": 0, "delta": {"content": content}}]}
    return f"data: {json.dumps(fields, separators=(',', ':' + space))}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def test_gaps_are_between_the_times_at_which_tokens_arrive() -> None:
    """The first token has a time of its own and no gap."""
    times = TokenTimes()

    for now in (10.0, 10.02, 10.07, 10.08):
        times.feed(event("word"), now)
    times.feed(DONE, 11.0)

    assert (times.first, times.tokens, times.done) == (10.0, 4, True)
    assert times.worst_gap == pytest.approx(0.05)


def test_tokens_that_come_together_have_no_gap() -> None:
    """All are counted."""
    times = TokenTimes()

    assert times.feed(event("a") + event("b", " ") + event("c"), 1.0) == 3
    assert (times.tokens, times.worst_gap) == (3, 0.0)


def test_an_event_without_text_is_no_token() -> None:
    """Such as the first one with the role, or the last one with the usage."""
    times = TokenTimes()

    times.feed(event(""), 1.0)
    times.feed(b'data: {"choices":[],"usage":{"completion_tokens":3}}\n\n: comment\n\n', 2.0)

    assert (times.tokens, times.first, times.done) == (0, None, False)


def test_an_event_may_arrive_in_pieces() -> None:
    """It counts when it is complete."""
    times, whole = TokenTimes(), event("word")

    assert times.feed(whole[:20], 1.0) == 0
    assert times.feed(whole[20:], 1.5) == 1
    assert times.first == 1.5


@pytest.mark.parametrize(
    ("result", "stalled"),
    [
        (StreamResult(0.1, 0.04, 32, complete=True), False),
        (StreamResult(0.1, 0.041, 32, complete=True), True),
        (StreamResult(0.1, 0.02, 5, complete=False), True),
        (StreamResult(None, 0.0, 0, complete=True), True),
    ],
    ids=["twice the pace", "longer", "cut", "without a token"],
)
def test_a_stream_stalls_over_twice_the_pace(result: StreamResult, stalled: bool) -> None:
    """A stream that fails stalls too."""
    assert result.stalled(PACE) is stalled


def test_the_share_is_of_all_streams() -> None:
    """No streams are no success."""
    good, bad = (
        StreamResult(0.1, 0.02, 32, complete=True),
        StreamResult(0.1, 1.0, 32, complete=True),
    )

    assert stall_free_share([good, good, good, bad], PACE) == 0.75
    assert stall_free_share([], PACE) == 0.0
