"""The expected wait, beside what a simulated deployment does."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.expected_wait import ExpectedWait

GUESS = 1.0
"""The service time of the first answer."""


def busy(slots: int, handed: int, waiting: int = 0, elsewhere: int = 0) -> ExpectedWait:
    """One model, of which so many requests came at time 100."""
    expected = ExpectedWait({"m": None}, slots)
    expected.told(slots, {"m": elsewhere}, 100.0)
    for _ in range(handed + waiting):
        expected.entered("m")
    for _ in range(handed):
        expected.handed("m", 100.0)
    return expected


@pytest.mark.parametrize(
    ("expected", "seconds"),
    [
        pytest.param(busy(4, 0), 0.0, id="idle"),
        pytest.param(busy(4, 3), 0.0, id="a slot is free"),
        pytest.param(busy(4, 4), 0.25, id="the next slot"),
        pytest.param(busy(4, 4, waiting=7), 2.0, id="after seven others"),
        pytest.param(busy(4, 4, waiting=7, elsewhere=4), 4.4, id="half the slots are another's"),
        pytest.param(busy(4, 0, elsewhere=4), 0.25, id="all the slots are another's"),
        pytest.param(busy(4, 1, elsewhere=2), 0.0, id="one slot is left"),
    ],
)
def test_the_wait_before_the_first_answer(expected: ExpectedWait, seconds: float) -> None:
    """By the guess of a service time."""
    assert expected.seconds("m", 100.0) == pytest.approx(seconds * GUESS, rel=0.06)


def test_a_limit_of_the_model_is_less_than_the_slots() -> None:
    """Only so many of its requests go to the replicas, and the wait is for those."""
    expected = ExpectedWait({"m": 1}, 8)
    for _ in range(3):
        expected.entered("m")
    expected.handed("m", 0.0)

    assert not expected.has_room("m")
    assert expected.seconds("m", 0.0) == pytest.approx(3 * GUESS)


def test_the_many_of_one_model_do_not_hold_up_anothers_few() -> None:
    """Models take their slots in turn."""
    expected = ExpectedWait({"flooded": None, "calm": None}, 4)
    expected.told(4, {"flooded": 40}, 0.0)

    assert expected.seconds("calm", 0.0) == 0.0
    assert expected.seconds("flooded", 0.0) > 5.0


def test_what_was_told_long_ago_does_not_count() -> None:
    """A replica that died with its requests would keep everybody out."""
    expected = busy(4, 0, elsewhere=400)

    assert expected.seconds("m", 101.0) > 10.0
    assert expected.seconds("m", 120.0) == 0.0


def test_own_requests_are_not_counted_twice() -> None:
    """The replicas tell of them as well."""
    expected = busy(4, 4)
    expected.told(4, {"m": 4}, 100.0)

    assert expected.seconds("m", 100.0) == pytest.approx(0.25)


def test_without_a_word_of_the_replicas_the_given_slots_hold() -> None:
    """Also when they sleep, and have none."""
    expected = ExpectedWait({"m": None}, 64)
    expected.told(0, {}, 1.0)

    assert expected.has_room("m")
    assert expected.seconds("m", 1.0) == 0.0


def test_those_refused_before_come_first() -> None:
    """Each is told to come after the one before it; when nobody comes they are forgotten."""
    expected = busy(4, 0, waiting=40)
    told = [expected.turned_away("m", 100.0, 60.0) for _ in range(3)]
    apart = expected.turn_seconds("m")

    assert told == pytest.approx([0.0, apart, 2 * apart])
    assert expected.turned_away("m", 1000.0, 60.0) == 0.0


def test_those_who_would_come_too_late_do_not_come() -> None:
    """After a long flood the line is no longer than what was told."""
    expected = busy(4, 0, waiting=40)
    told = [expected.turned_away("m", 100.0, 60.0) for _ in range(1000)]

    assert max(told) == 60.0
    assert expected.turned_away("m", 161.0, 60.0) == pytest.approx(0.0, abs=1.0)


class Deployment:
    """Slots that each take a fixed time, in the order of arrival, with an `ExpectedWait` that sees
    what its process sees."""

    def __init__(self, slots: int, service: float) -> None:
        self.expected = ExpectedWait({"m": None}, slots)
        self._service, self._now = service, 0.0
        self._free = [0.0] * slots
        self._running: deque[float] = deque()
        self._queue: deque[float] = deque()

    def arrive(self, now: float) -> tuple[float, float]:
        """One request; gives the wait that was expected, and the one that it has."""
        self._run_until(now)
        expected = self.expected.seconds("m", now)
        begin = max(now, min(self._free))
        self._free[self._free.index(min(self._free))] = begin + self._service
        self.expected.entered("m")
        self._queue.append(begin)
        self._run_until(now)
        return expected, begin - now

    def _run_until(self, now: float) -> None:
        while True:
            ends = self._running[0] if self._running else float("inf")
            begins = self._queue[0] if self._queue else float("inf")
            if min(ends, begins) > now:
                return
            if ends <= begins:
                self.expected.ended("m", self._running.popleft(), answered=True)
            else:
                begin = self._queue.popleft()
                self.expected.handed("m", begin)
                self._running.append(begin + self._service)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 16), st.floats(0.05, 20.0), st.floats(0.2, 3.0))
def test_a_steady_load_waits_as_expected(slots: int, service: float, load: float) -> None:
    """Below the capacity nobody waits, and above it the estimate is near, once it has learnt."""
    deployment = Deployment(slots, service)
    apart = service / slots / load
    waits = [deployment.arrive(number * apart) for number in range(800)]

    for expected, actual in waits[600:]:
        # A tenth, and a slot's time, as it is not known when the running ones began.
        assert abs(expected - actual) <= 0.1 * actual + 1.05 * service


@given(st.integers(1, 8), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_one_more_before_it_is_a_longer_wait(
    slots: int, handed: int, waiting: int, elsewhere: int
) -> None:
    """Wherever it is."""
    wait = busy(slots, handed, waiting, elsewhere).seconds("m", 100.0)

    assert busy(slots, handed, waiting + 1, elsewhere).seconds("m", 100.0) >= wait
    assert busy(slots, handed, waiting, elsewhere + 1).seconds("m", 100.0) >= wait - 1e-9
