"""The table of a specialist's states."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UnknownTransition
from router.selection.lifecycle import INITIAL_EVENTS, TESTED, Event, State, can, transition

LEGAL = {
    ("candidate", "promote", "shadow"),
    ("candidate", "retire", "retired"),
    ("shadow", "better", "active"),
    ("shadow", "not_worse", "active"),
    ("shadow", "hopeless", "retired"),
    ("shadow", "promote", "active"),
    ("shadow", "demote", "candidate"),
    ("shadow", "retire", "retired"),
    ("active", "worse", "probation"),
    ("active", "worse_lately", "probation"),
    ("active", "demote", "probation"),
    ("active", "retire", "retired"),
    ("probation", "better", "active"),
    ("probation", "not_worse", "active"),
    ("probation", "hopeless", "retired"),
    ("probation", "promote", "active"),
    ("probation", "retire", "retired"),
    ("retired", "promote", "shadow"),
}
ORDERS_AND_TESTS = [event for event in Event if event not in INITIAL_EVENTS.values()]


@pytest.mark.parametrize(("state", "event"), list(product(State, ORDERS_AND_TESTS)))
def test_what_is_not_in_the_table_is_refused(state, event):
    """Each pair of state and event leads where the table says, or nowhere, and says what can be."""
    after = {left: right for left, word, right in LEGAL if word == event}.get(state)
    assert can(state, event) == (after is not None)
    if after is None:
        with pytest.raises(UnknownTransition, match=f"{state}.*{event}"):
            transition(state, event)
    else:
        assert transition(state, event) == after


@pytest.mark.parametrize(("state", "begin"), list(product(State, INITIAL_EVENTS)))
def test_a_new_version_begins_anew_from_everywhere(state, begin):
    """Whatever became of the last version, the next begins as it is declared to."""
    assert transition(state, INITIAL_EVENTS[begin]) is begin


@given(st.lists(st.sampled_from(TESTED), max_size=30))
def test_evidence_brings_nobody_back_from_retirement(events):
    """Whatever the tests say and in whatever order, who is retired stays so."""
    state, states = State.ACTIVE, []
    for event in events:
        state = transition(state, event) if can(state, event) else state
        states.append(state)
    retired = states.count(State.RETIRED)
    assert states[len(states) - retired :] == [State.RETIRED] * retired
