"""How soon a demotion was seen, and how soon it was felt."""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.demonstration.records import Request, Story, Transition

_UNPROVEN = "no_active_specialist"


@dataclass(frozen=True)
class Demotion:
    """A specialist that lost its traffic by evidence.

    Attributes:
        transition: what the gateway says of it.
        after: how many requests of the whole stream had been sent.
        answered: how many of them it had answered in this phase.
        late: requests sent afterwards that it still answered.
        late_seconds: from the demotion to the sending of the last of these; 0 where there is none.
        first_moved_seconds: from the demotion to the sending of the first of its requests that the
            generalist answered; None where none came.
    """

    transition: Transition
    after: int
    answered: int
    late: int
    late_seconds: float
    first_moved_seconds: float | None


def demotions(story: Story) -> tuple[Demotion, ...]:
    """Every demotion by evidence, in order."""
    return tuple(
        _demotion(story, moved)
        for moved in story.transitions
        if moved.by == "evidence" and moved.before == "active"
    )


def _demotion(story: Story, moved: Transition) -> Demotion:
    mine = [
        request
        for request in story.requests
        if request.phase == moved.phase and request.specialist == moved.specialist
    ]
    later = [request for request in mine if moved.time < request.sent < _end(story, moved)]
    late = [request.sent - moved.time for request in later if request.model == moved.specialist]
    return Demotion(
        transition=moved,
        after=story.sent_by(moved.time),
        answered=sum(
            request.sent <= moved.time and request.model == moved.specialist for request in mine
        ),
        late=len(late),
        late_seconds=max(late, default=0.0),
        first_moved_seconds=_first_moved(later, moved.time),
    )


def _end(story: Story, moved: Transition) -> float:
    """When the specialist next changed its state, if it did."""
    later = (
        other.time
        for other in story.transitions
        if other.specialist == moved.specialist and other.time > moved.time
    )
    return min(later, default=float("inf"))


def _first_moved(later: Sequence[Request], time: float) -> float | None:
    waits = (request.sent - time for request in later if request.reason == _UNPROVEN)
    return min(waits, default=None)
