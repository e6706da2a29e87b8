"""Which models may be asked: a circuit breaker per model, as a table of transitions.

    closed     requests flow; after `failures_to_open` failures in a row -> open
    open       no request; after `open_seconds` -> half open
    half_open  one request at a time passes as a probe: its success -> closed, its failure -> open

Rule: a pair of state and event that is not in the table is an error and changes nothing. Time is
passed in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from router.errors import UnknownModel, UnknownTransition


class BreakerState(StrEnum):
    """State of a model's circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerEvent(StrEnum):
    """What happened to a model."""

    SUCCESS = "success"
    FAILURE = "failure"
    TRIPPED = "tripped"
    """A failure that fills the count."""
    COOLED = "cooled"
    """The time of being open has passed, and somebody asks."""


_TRANSITIONS = {
    (BreakerState.CLOSED, BreakerEvent.SUCCESS): BreakerState.CLOSED,
    (BreakerState.CLOSED, BreakerEvent.FAILURE): BreakerState.CLOSED,
    (BreakerState.CLOSED, BreakerEvent.TRIPPED): BreakerState.OPEN,
    # An open model is still heard of: requests from before, and a generalist is asked even then.
    (BreakerState.OPEN, BreakerEvent.SUCCESS): BreakerState.CLOSED,
    (BreakerState.OPEN, BreakerEvent.FAILURE): BreakerState.OPEN,
    (BreakerState.OPEN, BreakerEvent.COOLED): BreakerState.HALF_OPEN,
    (BreakerState.HALF_OPEN, BreakerEvent.SUCCESS): BreakerState.CLOSED,
    (BreakerState.HALF_OPEN, BreakerEvent.FAILURE): BreakerState.OPEN,
}


def transition(state: BreakerState, event: BreakerEvent) -> BreakerState:
    """The state after an event.

    Raises:
        UnknownTransition: the event cannot happen in this state.
    """
    try:
        return _TRANSITIONS[state, event]
    except KeyError:
        raise UnknownTransition(f"a breaker that is {state} cannot take {event}") from None


@dataclass(slots=True)
class _Breaker:
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    ask_again_at: float = 0.0


class Health:
    """The breakers of one gateway process, all asked and told on its event loop.

    Args:
        models: every model that will be asked about.
        failures_to_open: failures in a row that open a breaker.
        open_seconds: how long it stays open; also how long a probe may take before another is sent.

    Raises:
        ValueError: a setting is not above zero.
    """

    def __init__(
        self, models: Iterable[str], *, failures_to_open: int = 3, open_seconds: float = 5.0
    ) -> None:
        if failures_to_open < 1 or not open_seconds > 0:
            raise ValueError(
                f"failures_to_open ({failures_to_open}) and open_seconds ({open_seconds}) "
                "must be above zero"
            )
        self._failures_to_open = failures_to_open
        self._open_seconds = open_seconds
        self._breakers = {model: _Breaker() for model in models}

    def available(self, model: str, now: float) -> bool:
        """Whether a request may be sent now; a yes after the cooling time permits one probe.

        Args:
            model: a declared model.
            now: seconds on any clock that does not go back.

        Raises:
            UnknownModel: the model was not declared.
        """
        breaker = self._of(model)
        if breaker.state is BreakerState.CLOSED:
            return True
        if now < breaker.ask_again_at:
            return False
        if breaker.state is BreakerState.OPEN:
            breaker.state = transition(breaker.state, BreakerEvent.COOLED)
        # A probe that never reports, for its client left, must not block the next for ever.
        breaker.ask_again_at = now + self._open_seconds
        return True

    def record(self, model: str, ok: bool, now: float) -> None:
        """Takes note of how a request ended.

        Raises:
            UnknownModel: the model was not declared.
        """
        event = BreakerEvent.SUCCESS if ok else BreakerEvent.FAILURE
        breaker = self._of(model)
        failures = 0 if ok else breaker.failures + 1
        if breaker.state is BreakerState.CLOSED and failures >= self._failures_to_open:
            event = BreakerEvent.TRIPPED
        after = transition(breaker.state, event)
        if after is BreakerState.OPEN and breaker.state is not BreakerState.OPEN:
            breaker.ask_again_at = now + self._open_seconds
        breaker.state, breaker.failures = after, failures

    def state(self, model: str) -> BreakerState:
        """The state of a model's breaker.

        Raises:
            UnknownModel: the model was not declared.
        """
        return self._of(model).state

    def _of(self, model: str) -> _Breaker:
        try:
            return self._breakers[model]
        except KeyError:
            known = ", ".join(sorted(self._breakers))
            raise UnknownModel(f"no model {model!r}; declared: {known}") from None
