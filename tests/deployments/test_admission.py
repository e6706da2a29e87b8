"""The decision whether a request may wait, as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.admission import Refusal, refusal

SECONDS = st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000)
LIMITS = st.none() | SECONDS


@pytest.mark.parametrize(
    ("wait", "service", "max_wait", "deadline", "found"),
    [
        pytest.param(0, 1, 10, 600, None, id="a slot is free"),
        pytest.param(0, 90, 10, 30, None, id="a slot is free, and answers usually take longer"),
        pytest.param(0, 1, 0, None, None, id="a slot is free for one that must not wait"),
        pytest.param(9, 1, 10, 600, None, id="in time"),
        pytest.param(12, 1, 10, 600, Refusal("wait", 2), id="too long a wait"),
        pytest.param(0.25, 1, 0, None, Refusal("wait", 0.25), id="it must not wait"),
        pytest.param(4, 3, 10, 5, Refusal("deadline", 2), id="the answer would be late"),
        pytest.param(900, 3, None, None, None, id="no limits"),
    ],
)
def test_who_is_refused(
    wait: float,
    service: float,
    max_wait: float | None,
    deadline: float | None,
    found: Refusal | None,
) -> None:
    """And by how much it would wait too long."""
    assert refusal(wait, service, max_wait, deadline) == found


@given(SECONDS, SECONDS, LIMITS, LIMITS)
def test_a_refusal_has_a_way_out(
    wait: float, service: float, max_wait: float | None, deadline: float | None
) -> None:
    """When the excess has passed, the same request is taken, or needs a free slot."""
    found = refusal(wait, service, max_wait, deadline)
    if found is None:
        return

    assert found.excess_seconds > 0
    later = max(0.0, round(wait - found.excess_seconds, 6) * 0.999)
    again = refusal(later, service, max_wait, deadline)
    assert again is None or again.cause != found.cause
