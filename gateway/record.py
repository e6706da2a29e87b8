"""The facts about one HTTP request so far, for its headers, log line and counters. The request's
scope holds the record and the observer."""

from dataclasses import dataclass, field

from starlette.types import Scope
from typing_extensions import override

from deployments.protocol import Usage
from gateway.dialects.parse import CompletionRequest
from gateway.errors import ErrorResponse, error_response
from gateway.observer import RequestObserver
from gateway.tally import Costs
from router.dispatch import Answer
from router.types import Decision, Query

NONE = "none"
"""The domain, model or reason of a request that ended before it was known."""
_RECORD, _OBSERVER = "niche.record", "niche.observer"


@dataclass
class Record(RequestObserver):
    """The facts about one request, filled in while it is served.

    Attributes:
        request_id: the gateway's own; no client chooses it.
        client_request_id: the client's name of its request, for the log alone.
        started: on the monotonic clock, in seconds.
        status: as sent; after a failure in the middle of a stream, the failure's.
        response_started, response_complete: how much of the response was sent.
        requested_model: the model that the client named.
        query: the client's messages or text, only for the decision log.
        decision: where the request was sent.
        user, metadata: the client's labels of its request, for the log.
        finish_reasons: of the choices that were completed.
        not_applied: parameters that the model clamped or left out.
        rewritten: messages that the model read in other words than the client's.
        trace_id: of the request's trace; None where it is not traced.
        trace_headers: W3C headers that continue the trace at the model's server.
    """

    request_id: str
    started: float
    client_request_id: str | None = None
    domain: str = NONE
    model: str = NONE
    reason: str = NONE
    confidence: float | None = None
    status: int = 0
    code: str | None = None
    response_started: bool = False
    response_complete: bool = False
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    costs: Costs | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    requested_model: str = NONE
    query: Query = field(default_factory=Query)
    decision: Decision | None = None
    finish_reasons: tuple[str, ...] = ()
    not_applied: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    trace_id: str | None = None
    trace_headers: tuple[tuple[str, str], ...] = ()

    @override
    def received(self, request: CompletionRequest) -> None:
        self.requested_model, self.query = request.model, request.query
        self.user, self.metadata = request.user, request.metadata

    @override
    def decided(self, decision: Decision, started: float, ended: float) -> None:
        self.decision = decision
        self.domain, self.confidence = decision.domain, decision.confidence
        self.model, self.reason = decision.candidates[0], str(decision.reason)

    @override
    def answered(self, answer: Answer, time: float) -> None:
        self.model, self.reason = answer.model, str(answer.reason)
        self.not_applied = answer.first.not_applied

    @override
    def generated(self, usage: Usage, finish_reasons: tuple[str, ...], costs: Costs | None) -> None:
        self.usage, self.finish_reasons, self.costs = usage, finish_reasons, costs

    @override
    def failed(self, error: BaseException, response: ErrorResponse) -> None:
        self.status, self.code = response.status, response.code

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The response headers that are known when the response starts."""
        pairs = [("x-request-id", self.request_id)]
        if self.client_request_id is not None:
            pairs.append(("x-client-request-id", self.client_request_id))
        if self.confidence is not None:
            pairs += [
                ("x-niche-domain", self.domain),
                ("x-niche-model", self.model),
                ("x-niche-confidence", f"{self.confidence:.4f}"),
                ("x-niche-reason", self.reason),
            ]
        if self.not_applied:
            pairs.append(("x-niche-not-applied", ", ".join(self.not_applied)))
        if self.rewritten:
            pairs.append(("x-niche-rewritten", ", ".join(self.rewritten)))
        if self.costs is not None:
            pairs.append(("x-niche-cost", f"{self.costs.list_price:.9f}"))
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in pairs]


def store(scope: Scope, record: Record, observer: RequestObserver) -> None:
    """Sets the record and the observer of a request."""
    scope[_RECORD], scope[_OBSERVER] = record, observer


def record_of(scope: Scope) -> Record:
    """The record of a request."""
    record: Record = scope[_RECORD]
    return record


def observer_of(scope: Scope) -> RequestObserver:
    """The observer of a request."""
    observer: RequestObserver = scope[_OBSERVER]
    return observer


def report_failure(scope: Scope, error: BaseException) -> ErrorResponse:
    """Reports a failure to the observer; returns the response for the client."""
    response = error_response(error, record_of(scope).request_id)
    observer_of(scope).failed(error, response)
    return response
