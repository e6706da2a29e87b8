"""The reading of a stream: times, tokens, ends."""

import json

import pytest

from loadtests.traffic.answer import Broken, Reading, events
from tests.deployments.upstream import delta


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(*pieces, due: float = 100.0) -> tuple[Reading, Clock]:
    """A reading to which each event came 0.5 s after the last."""
    clock = Clock()
    reading = Reading(clock, due)
    for piece in pieces:
        clock.now += 0.5
        reading.take(json.dumps(piece).encode())
    return reading, clock


def chopped(*parts: bytes):
    """Reads these, and then nothing."""
    rest = iter((*parts, b""))
    return lambda: next(rest)


def test_times_count_from_when_the_request_was_due() -> None:
    """A late load generator must not make a server look quick."""
    answer = taken(delta("a"), delta("b", "stop"), due=99.0)[0].whole()

    assert (answer.first, answer.seconds, answer.late) == (1.5, 2.0, 1.0)


def test_gaps_are_between_pieces_of_text() -> None:
    """What has no text is no token: neither the role nor the end."""
    answer = taken(delta(), delta("a"), delta("b"), delta(), delta("c", "stop"))[0].whole()

    assert (answer.first, answer.gaps) == (1.0, (0.5, 1.0))


def test_the_last_piece_tells_tokens_and_costs() -> None:
    """And who answered."""
    niche = {"model": "sql", "engine_seconds": 0.25, "cost": 2e-6, "domain": "sql"}
    usage = {"prompt_tokens": 4, "completion_tokens": 3}

    answer = taken(delta("a", "stop"), {"choices": [], "usage": usage, "niche": niche})[0].whole()

    assert answer.model == "sql"
    assert answer.usage == {
        "prompt_tokens": 4.0,
        "completion_tokens": 3.0,
        "engine_seconds": 0.25,
        "cost": 2e-6,
    }


def test_an_end_that_nobody_announced_is_broken() -> None:
    """A cut stream is no answer."""
    with pytest.raises(Broken, match="ended early"):
        taken(delta("a"))[0].whole()


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"{", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'{"error": {"message": "it died"}}', "it died"),
        (b'{"choices": [3]}', "another form"),
        (b'{"usage": {"prompt_tokens": "many"}}', "another form"),
    ],
    ids=["no-json", "no-object", "error", "no-choice", "no-number"],
)
def test_what_is_no_event_is_broken(payload, words) -> None:
    """With a reason."""
    with pytest.raises(Broken, match=words):
        Reading(Clock(), 0.0).take(payload)


def test_an_answer_tells_how_much_came_of_it() -> None:
    """Also one that was left."""
    reading, clock = taken(delta("a"))
    clock.now += 1.0

    answer = reading.ended("left")

    assert (answer.outcome, answer.first, answer.seconds) == ("left", 0.5, 1.5)


def test_events_may_be_cut_anywhere() -> None:
    """A read ends where it ends."""
    read = chopped(b'data: {"a"', b": 1}\n", b"\ndata: 2\n\nda", b"ta: [DONE]\n\n")

    assert list(events(read, 1000)) == [b'{"a": 1}', b"2"]


def test_what_comes_between_events_is_passed_over() -> None:
    """Comments that keep a connection alive, and other fields."""
    assert list(events(chopped(b": ping\n\nevent: x\ndata: 1\n\ndata: [DONE]\n"), 99)) == [b"1"]


def test_a_stream_without_an_end_is_broken() -> None:
    """The server went away."""
    with pytest.raises(Broken, match="ended early"):
        list(events(chopped(b"data: 1\n\n"), 99))


def test_a_stream_may_not_be_endless() -> None:
    """It must not fill memory."""
    with pytest.raises(Broken, match="more than 10 bytes"):
        list(events(lambda: b"data: 1\n\n", 10))
