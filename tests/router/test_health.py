"""Circuit breakers: which models may be asked, as time passes."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UnknownModel, UnknownTransition
from router.health import BreakerEvent, BreakerState, Health, transition

LEGAL = {
    ("closed", "success", "closed"),
    ("closed", "failure", "closed"),
    ("closed", "tripped", "open"),
    ("open", "success", "closed"),
    ("open", "failure", "open"),
    ("open", "cooled", "half_open"),
    ("half_open", "success", "closed"),
    ("half_open", "failure", "open"),
}


def opened(at=0.0):
    health = Health(["m"], failures_to_open=2, open_seconds=5.0)
    health.record("m", False, at)
    health.record("m", False, at)
    return health


def test_a_model_is_closed_at_first():
    """A model of which nothing is known may be asked."""
    health = Health(["m"])
    assert health.available("m", 0.0)
    assert health.state("m") is BreakerState.CLOSED


def test_failures_in_a_row_open_the_breaker():
    """The set number of failures in a row stops requests."""
    health = opened()
    assert health.state("m") is BreakerState.OPEN
    assert not health.available("m", 4.9)


def test_a_success_starts_the_count_again():
    """Failures with a success between them do not open the breaker."""
    health = Health(["m"], failures_to_open=2)
    for ok in (False, True, False):
        health.record("m", ok, 0.0)
    assert health.state("m") is BreakerState.CLOSED


def test_one_probe_passes_after_the_cooling_time():
    """After the cooling time one request passes, and the next must wait for its result."""
    health = opened()
    assert health.available("m", 5.0)
    assert health.state("m") is BreakerState.HALF_OPEN
    assert not health.available("m", 5.1)


def test_a_probe_that_succeeds_closes_the_breaker():
    """A good probe lets requests flow."""
    health = opened()
    health.available("m", 5.0)
    health.record("m", True, 5.5)
    assert health.available("m", 5.6)
    assert health.state("m") is BreakerState.CLOSED


def test_a_probe_that_fails_opens_the_breaker_again():
    """A bad probe starts the cooling time anew, from its end."""
    health = opened()
    health.available("m", 5.0)
    health.record("m", False, 6.0)
    assert not health.available("m", 10.9)
    assert health.available("m", 11.0)


def test_a_probe_that_never_reports_does_not_block_for_ever():
    """When a probe's result does not come, another probe passes after the same time."""
    health = opened()
    assert health.available("m", 5.0)
    assert not health.available("m", 9.9)
    assert health.available("m", 10.0)


def test_late_failures_do_not_prolong_the_cooling_time():
    """Failures of requests from before the opening leave the time as it is."""
    health = opened()
    health.record("m", False, 4.0)
    assert health.available("m", 5.0)


def test_models_do_not_share_a_breaker():
    """One model's failures say nothing about another's."""
    health = Health(["m", "n"], failures_to_open=1)
    health.record("m", False, 0.0)
    assert health.available("n", 0.0)


def test_an_undeclared_model_is_an_error_that_names_the_declared_ones():
    """A model that was not declared is named, with those that were."""
    with pytest.raises(UnknownModel, match=r"'x'.*m"):
        Health(["m"]).record("x", True, 0.0)


@pytest.mark.parametrize(
    "settings", [{"failures_to_open": 0}, {"open_seconds": 0.0}], ids=["failures", "seconds"]
)
def test_settings_must_be_above_zero(settings):
    """A breaker that could never open or close is refused at once."""
    with pytest.raises(ValueError, match=next(iter(settings))):
        Health(["m"], **settings)


@pytest.mark.parametrize(("state", "event"), list(product(BreakerState, BreakerEvent)))
def test_the_transition_table_is_exactly_the_documented_one(state, event):
    """Every pair of state and event either leads where the table says, or is an error."""
    after = {found[2] for found in LEGAL if found[:2] == (state, event)}
    if after:
        assert {transition(state, event)} == after
    else:
        with pytest.raises(UnknownTransition, match=f"{state}.*{event}"):
            transition(state, event)


events = st.lists(st.tuples(st.sampled_from(["ask", "ok", "fail"]), st.floats(0, 10)), max_size=40)


@given(events, st.integers(1, 4), st.floats(0.1, 20))
def test_no_history_reaches_an_unknown_transition(history, failures, seconds):
    """Whatever happens in whatever order, the breaker stays legal and a closed one lets through."""
    health = Health(["m"], failures_to_open=failures, open_seconds=seconds)
    now = 0.0
    for kind, step in history:
        now += step
        before = health.state("m")
        if kind == "ask":
            assert health.available("m", now) or before is not BreakerState.CLOSED
        else:
            health.record("m", kind == "ok", now)
            assert health.state("m") is BreakerState.CLOSED or kind == "fail"


@given(events, st.integers(1, 4))
def test_an_error_changes_nothing(history, failures):
    """A report about an undeclared model leaves every breaker as it was."""
    health = Health(["m"], failures_to_open=failures)
    for kind, now in history:
        if kind == "ask":
            health.available("m", now)
        else:
            health.record("m", kind == "ok", now)
        before = health.state("m")
        with pytest.raises(UnknownModel):
            health.record("other", False, now)
        assert health.state("m") is before
