"""How the result of a request is built from its stream: times, tokens, end."""

import json

import pytest

from loadtests.traffic.result import ResultBuilder, StreamError, event_data
from tests.deployments.upstream import delta


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(*pieces, due: float = 100.0) -> tuple[ResultBuilder, Clock]:
    """A builder that got each event 0.5 s after the last."""
    clock = Clock()
    building = ResultBuilder(clock, due)
    for piece in pieces:
        clock.now += 0.5
        building.add(json.dumps(piece).encode())
    return building, clock


def chopped(*parts: bytes):
    """Reads these, and then nothing."""
    rest = iter((*parts, b""))
    return lambda: next(rest)


def test_times_count_from_when_the_request_was_due() -> None:
    """A late load generator must not make a server look quick."""
    answer = taken(delta("a"), delta("b", "stop"), due=99.0)[0].answered()

    assert (answer.first, answer.seconds, answer.late) == (1.5, 2.0, 1.0)


def test_gaps_are_between_pieces_of_text() -> None:
    """What has no text is no token: neither the role nor the end."""
    answer = taken(delta(), delta("a"), delta("b"), delta(), delta("c", "stop"))[0].answered()

    assert (answer.first, answer.gaps) == (1.0, (0.5, 1.0))


def test_the_last_event_has_tokens_and_costs() -> None:
    """And who answered."""
    niche = {"model": "sql", "engine_seconds": 0.25, "cost": 2e-6, "domain": "sql"}
    usage = {"prompt_tokens": 4, "completion_tokens": 3}

    answer = taken(delta("a", "stop"), {"choices": [], "usage": usage, "niche": niche})[
        0
    ].answered()

    assert answer.model == "sql"
    assert answer.usage == {
        "prompt_tokens": 4.0,
        "completion_tokens": 3.0,
        "engine_seconds": 0.25,
        "cost": 2e-6,
    }


def test_a_stream_without_a_finish_reason_is_incomplete() -> None:
    """A cut stream is no answer."""
    with pytest.raises(StreamError):
        taken(delta("a"))[0].answered()


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (b"{", "{"),
        (b"[]", r"\[\]"),
        (b'{"error": {"message": "it died"}}', "it died"),
        (b'{"choices": [3]}', "choices"),
        (b'{"usage": {"prompt_tokens": "many"}}', "many"),
    ],
    ids=["no-json", "no-object", "error", "no-choice", "no-number"],
)
def test_an_invalid_event_is_an_error(payload, named) -> None:
    """Its message shows the event."""
    with pytest.raises(StreamError, match=named):
        ResultBuilder(Clock(), 0.0).add(payload)


def test_a_result_has_what_came_before_the_end() -> None:
    """Also where the client hung up."""
    building, clock = taken(delta("a"))
    clock.now += 1.0

    answer = building.result("disconnected")

    assert (answer.outcome, answer.first, answer.seconds) == ("disconnected", 0.5, 1.5)


def test_events_may_be_cut_anywhere() -> None:
    """A read ends where it ends."""
    read = chopped(b'data: {"a"', b": 1}\n", b"\ndata: 2\n\nda", b"ta: [DONE]\n\n")

    assert list(event_data(read, 1000)) == [b'{"a": 1}', b"2"]


def test_what_comes_between_events_is_passed_over() -> None:
    """Comments that keep a connection alive, and other fields."""
    assert list(event_data(chopped(b": ping\n\nevent: x\ndata: 1\n\ndata: [DONE]\n"), 99)) == [b"1"]


def test_a_stream_without_its_last_event_is_incomplete() -> None:
    """The server went away."""
    with pytest.raises(StreamError):
        list(event_data(chopped(b"data: 1\n\n"), 99))


def test_a_stream_may_not_be_endless() -> None:
    """It must not fill memory."""
    with pytest.raises(StreamError, match="10 bytes"):
        list(event_data(lambda: b"data: 1\n\n", 10))
