"""The service time: slot seconds by answers, the last ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.service_time import ANSWERS, ServiceTime


def after(*answers: float) -> ServiceTime:
    """With an answer after each of these slot seconds."""
    service = ServiceTime()
    for seconds in answers:
        service.busy(seconds)
        service.answered()
    return service


def test_before_any_answer_there_is_a_guess() -> None:
    """A first burst is not refused, nor taken without end."""
    assert ServiceTime().seconds == 1.0


def test_slots_that_give_no_answer_make_it_longer() -> None:
    """Nobody has to wait for the first answer to see that they are slow."""
    service = ServiceTime()
    service.busy(40.0)

    assert service.seconds > 10.0


@pytest.mark.parametrize("seconds", [0.01, 1.0, 30.0])
def test_it_comes_to_what_answers_take(seconds: float) -> None:
    """The guess fades."""
    assert after(*[seconds] * 10 * ANSWERS).seconds == pytest.approx(seconds, rel=0.01)


def test_it_follows_a_change() -> None:
    """What was before counts little after as many answers as it remembers."""
    changed = after(*[1.0] * 10 * ANSWERS, *[3.0] * 3 * ANSWERS)

    assert changed.seconds == pytest.approx(3.0, rel=0.06)


def test_slots_that_end_together_do_not_make_it_short() -> None:
    """Many answers at one time are one round, of which more are remembered."""
    service = ServiceTime()
    for _ in range(20):
        service.busy(256 * 2.0)
        for _ in range(256):
            service.answered(256)

    assert service.seconds == pytest.approx(2.0, rel=0.1)


@given(st.lists(st.floats(0, 1e3), max_size=300))
def test_it_is_between_the_shortest_and_the_longest(answers: list[float]) -> None:
    """Of the answers and the guess."""
    found = after(*answers).seconds

    assert min((1.0, *answers)) * 0.999 <= found <= max((1.0, *answers)) * 1.001
