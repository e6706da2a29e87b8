"""What is told of one request for its trace: when it was routed, asked, answered and ended.

Times are seconds on the gateway's monotonic clock. Nothing that a client or a model said is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from deployments.protocol import FinishReason, Usage
from gateway.dialects.parse import Ask
from router.dispatch import Attempt
from router.types import Decision

Headers = tuple[tuple[str, str], ...]
"""Names and values of HTTP headers."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ended.

    Attributes:
        status: the HTTP status; after a failure in mid-stream the failure's.
        code: of the error, if there was one.
        usage: of all choices together.
        finish_reasons: of the choices that were completed.
    """

    time: float
    status: int
    code: str | None
    usage: Usage
    finish_reasons: tuple[FinishReason, ...]


class Trace(Protocol):
    """The trace of one request."""

    @property
    def trace_id(self) -> str | None:
        """As 32 hexadecimal digits; None where nothing is traced."""

    def routed(self, decision: Decision, began: float, ended: float) -> None:
        """A decision was taken."""

    def asked(self, ask: Ask, model: str, time: float) -> Headers:
        """A model is asked now; returns what tells its server of this trace (W3C)."""

    def answered(self, model: str, attempts: Sequence[Attempt], time: float) -> None:
        """The first piece of an answer is there, of the model that the last attempt found."""

    def ended(self, ending: Ending) -> None:
        """The request is over."""


class _NoTrace:
    trace_id = None

    def routed(self, decision: Decision, began: float, ended: float) -> None:
        pass

    def asked(self, ask: Ask, model: str, time: float) -> Headers:  # noqa: ARG002 - see `Trace`
        return ()

    def answered(self, model: str, attempts: Sequence[Attempt], time: float) -> None:
        pass

    def ended(self, ending: Ending) -> None:
        pass


NO_TRACE: Trace = _NoTrace()
"""Takes no note of anything."""
