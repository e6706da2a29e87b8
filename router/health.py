"""A circuit breaker per model, as a table of transitions.

    closed     requests flow; after `failures_to_open` failures in a row -> open
    open       no request; after `open_seconds` -> half open
    half_open  one request at a time passes as a probe: success -> closed, failure -> open

Rule: a pair of state and event that is not in the table is an error and changes nothing. Callers
pass the time in.
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
    """The failure that reaches `failures_to_open`."""
    COOLED = "cooled"
    """`open_seconds` have passed, and a caller asks for the model."""


_TRANSITIONS = {
    (BreakerState.CLOSED, BreakerEvent.SUCCESS): BreakerState.CLOSED,
    (BreakerState.CLOSED, BreakerEvent.FAILURE): BreakerState.CLOSED,
    (BreakerState.CLOSED, BreakerEvent.TRIPPED): BreakerState.OPEN,
    # Results arrive while open: of earlier requests, and of a generalist, which is always asked.
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
    """The circuit breakers of one gateway process; used on its event loop only.

    Args:
        models: every model that callers may name.
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
        """Whether a request may be sent now; after `open_seconds`, a yes grants one probe.

        Args:
            model: a declared model.
            now: seconds on a monotonic clock.

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
        # A probe may never report, if its client disconnects: allow the next one later.
        breaker.ask_again_at = now + self._open_seconds
        return True

    def record(self, model: str, ok: bool, now: float) -> None:
        """Records whether a request succeeded.

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
            declared = ", ".join(sorted(self._breakers))
            raise UnknownModel(f"no model {model!r}; declared: {declared}") from None
