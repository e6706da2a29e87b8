"""What is known of one HTTP request so far: the source of its headers, its log line and its
counters."""

import logging
from dataclasses import dataclass, field

from starlette.types import Scope

from deployments.protocol import FinishReason, Usage
from gateway.errors import Fault, fault_of
from gateway.metrics import NONE
from gateway.tally import Costs
from gateway.tracing.trace import NO_TRACE, Ending, Trace
from router.types import Decision, Query

_KEY = "niche.record"
_log = logging.getLogger("gateway")


@dataclass(slots=True)
class Record:
    """Filled while the request is served.

    Attributes:
        request_id: the client's, or new.
        started: on the monotonic clock, in seconds.
        status: as sent; after a failure in mid-stream the failure's.
        begun: whether a response has started.
        ended: whether it is complete.
        asked: the model that the client named.
        query: what the client said, for the decision log alone.
        decision: where the request was sent.
        user, metadata: the client's own words, for the log.
        finish_reasons: of the choices that were completed.
        trace: is told of what happens.
    """

    request_id: str
    started: float
    domain: str = NONE
    model: str = NONE
    reason: str = NONE
    confidence: float | None = None
    status: int = 0
    code: str | None = None
    begun: bool = False
    ended: bool = False
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    costs: Costs | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    asked: str = NONE
    query: Query = field(default_factory=Query)
    decision: Decision | None = None
    finish_reasons: tuple[FinishReason, ...] = ()
    trace: Trace = NO_TRACE

    def store(self, scope: Scope) -> None:
        """Makes this the record of a request."""
        scope[_KEY] = self

    def decided(self, decision: Decision) -> None:
        """Takes note of where the request is to go."""
        self.decision = decision
        self.domain, self.confidence = decision.domain, decision.confidence
        self.model, self.reason = decision.candidates[0], str(decision.reason)

    def failed(self, fault: Fault) -> None:
        """Takes note of how it failed."""
        self.status, self.code = fault.status, fault.code

    def ending(self, time: float) -> Ending:
        """How it ended, for its trace."""
        return Ending(time, self.status, self.code, self.usage, self.finish_reasons)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the response, as far as they are known when it starts."""
        pairs = [("x-request-id", self.request_id)]
        if self.confidence is not None:
            pairs += [
                ("x-niche-domain", self.domain),
                ("x-niche-model", self.model),
                ("x-niche-confidence", f"{self.confidence:.4f}"),
                ("x-niche-reason", self.reason),
            ]
        if self.costs is not None:
            pairs.append(("x-niche-cost", f"{self.costs.list_price:.9f}"))
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in pairs]


def record_of(scope: Scope) -> Record:
    """The record that the outermost middleware stored."""
    record = scope[_KEY]
    assert isinstance(record, Record)
    return record


def note_failure(record: Record, error: Exception) -> Fault:
    """Puts a failure into the record, and into the log what clients are not told."""
    fault = fault_of(error, record.request_id)
    record.failed(fault)
    fields = {
        "request_id": record.request_id,
        "trace_id": record.trace.trace_id,
        "model": record.model,
        "error": fault.code,
        "detail": repr(error),
    }
    if fault.unexpected:
        _log.error("unexpected failure", exc_info=error, extra={"fields": fields})
    elif fault.status >= 500:
        _log.warning("a model failed", extra={"fields": fields})
    return fault


def note_attempt(record: Record, model: str, error: Exception) -> None:
    """Puts into the log why a model was passed over: the client sees the next one's answer."""
    fields = {"request_id": record.request_id, "model": model, "detail": repr(error)}
    _log.warning("a model was passed over", extra={"fields": fields})
