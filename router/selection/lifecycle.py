"""The states of specialists, which decide who gets traffic, as a table of transitions.

    candidate  declared; gets no requests
    shadow     the generalist answers; of some requests its answer is compared
    active     it answers; of some requests the generalist's answer is compared
    probation  was worse: as shadow, and of more requests
    retired    was worse again: asked nothing

Evidence moves a specialist (see `record`), and so do the operator and a new version of it. Where a
point of quality has a worth in money, "quality" in an event is quality less what it costs.
Rule: a pair of state and event that is not in the table is an error and changes nothing.
"""

from enum import StrEnum

from router.errors import UnknownTransition


class State(StrEnum):
    """The state of a specialist."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    ACTIVE = "active"
    PROBATION = "probation"
    RETIRED = "retired"


class Event(StrEnum):
    """What can move a specialist."""

    WORSE = "worse"
    """Its quality is below the generalist's by more than the margin."""
    WORSE_LATELY = "worse_lately"
    """The same, of its latest answers."""
    NOT_WORSE = "not_worse"
    """Its quality is not below the generalist's by the margin, and its cost is not above."""
    BETTER = "better"
    """Its quality is above the generalist's."""
    HOPELESS = "hopeless"
    """`WORSE`, beyond nearly all doubt."""
    PROMOTE = "promote"
    DEMOTE = "demote"
    RETIRE = "retire"
    BEGUN_AS_CANDIDATE = "begun_as_candidate"
    """It is new, or has a new version, and begins in this state."""
    BEGUN_AS_SHADOW = "begun_as_shadow"
    BEGUN_AS_ACTIVE = "begun_as_active"


class Cause(StrEnum):
    """Who moved it."""

    EVIDENCE = "evidence"
    OPERATOR = "operator"
    VERSION = "version"


TESTED = (Event.WORSE, Event.WORSE_LATELY, Event.NOT_WORSE, Event.BETTER, Event.HOPELESS)
"""The events that a test announces."""

INITIAL_EVENTS = {
    State.CANDIDATE: Event.BEGUN_AS_CANDIDATE,
    State.SHADOW: Event.BEGUN_AS_SHADOW,
    State.ACTIVE: Event.BEGUN_AS_ACTIVE,
}
"""The states in which a specialist may begin, and the event of beginning so."""

_TRANSITIONS = {
    (State.CANDIDATE, Event.PROMOTE): State.SHADOW,
    (State.CANDIDATE, Event.RETIRE): State.RETIRED,
    (State.SHADOW, Event.BETTER): State.ACTIVE,
    (State.SHADOW, Event.NOT_WORSE): State.ACTIVE,
    (State.SHADOW, Event.HOPELESS): State.RETIRED,
    (State.SHADOW, Event.PROMOTE): State.ACTIVE,
    (State.SHADOW, Event.DEMOTE): State.CANDIDATE,
    (State.SHADOW, Event.RETIRE): State.RETIRED,
    (State.ACTIVE, Event.WORSE): State.PROBATION,
    (State.ACTIVE, Event.WORSE_LATELY): State.PROBATION,
    (State.ACTIVE, Event.DEMOTE): State.PROBATION,
    (State.ACTIVE, Event.RETIRE): State.RETIRED,
    (State.PROBATION, Event.BETTER): State.ACTIVE,
    (State.PROBATION, Event.NOT_WORSE): State.ACTIVE,
    (State.PROBATION, Event.HOPELESS): State.RETIRED,
    (State.PROBATION, Event.PROMOTE): State.ACTIVE,
    (State.PROBATION, Event.RETIRE): State.RETIRED,
    (State.RETIRED, Event.PROMOTE): State.SHADOW,
    **{(state, event): begin for state in State for begin, event in INITIAL_EVENTS.items()},
}


def can(state: State, event: Event) -> bool:
    """Whether an event can happen in a state."""
    return (state, event) in _TRANSITIONS


def transition(state: State, event: Event) -> State:
    """The state after an event.

    Raises:
        UnknownTransition: the event cannot happen in this state.
    """
    try:
        return _TRANSITIONS[state, event]
    except KeyError:
        can = sorted(other for known, other in _TRANSITIONS if known is state)
        words = ", ".join(event for event in can if not event.startswith("begun"))
        raise UnknownTransition(
            f"a specialist that is {state} cannot take {event}; it can {words}"
        ) from None
