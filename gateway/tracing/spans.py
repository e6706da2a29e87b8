"""A request as spans of OpenTelemetry.

    POST /v1/chat/completions   arrival to last byte
      route                     the routing decision, queueing included
      chat MODEL                from dispatch to the last token
        queue                   until the engine starts the request
        prefill                 until the first token
        decode                  until the last token

Names and attributes follow the conventions for HTTP and generative AI; our own begin with `niche.`.
If an engine does not report its time to the first token, there is no `queue` span, and `prefill`
covers both. No span contains prompts or answers.
"""

from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope
from typing_extensions import override

from gateway.dialects.parse import CompletionRequest
from gateway.observer import RequestObserver
from gateway.record import Record
from router.dispatch import Answer, StreamedAnswer
from router.types import Decision

Attributes = dict[str, str | int | float | bool | Sequence[str]]

_CONTEXT_HEADERS = (b"traceparent", b"tracestate")
_OPERATIONS = {
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "rerank": "rerank",
}
_W3C = TraceContextTextMapPropagator()


class Tracing:
    """Opens a trace per request, or continues the client's.

    Args:
        tracer: records the spans.
        clock: monotonic seconds.
        wall_clock: Unix time in seconds.
    """

    def __init__(
        self, tracer: Tracer, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._tracer, self._clock, self._wall_clock = tracer, clock, wall_clock

    def begin(self, scope: Scope, record: Record) -> "RequestTrace":
        """Begins the trace of a new request; puts its id into the record."""
        timeline = _Timeline(self._tracer, self._wall_clock() - self._clock())
        carrier = {
            name.decode("ascii"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _CONTEXT_HEADERS
        }
        attributes: Attributes = {
            "http.request.method": scope["method"],
            "http.route": scope["path"],
            "url.path": scope["path"],
            "niche.request_id": record.request_id,
        }
        span = timeline.open(
            f"{scope['method']} {scope['path']}",
            self._clock(),
            attributes,
            _W3C.extract(carrier),
            SpanKind.SERVER,
        )
        record.trace_id = f"{span.get_span_context().trace_id:032x}"
        return RequestTrace(timeline, span, record)


class _Timeline:
    """Records spans at monotonic times; Unix time is `offset` seconds ahead of them."""

    def __init__(self, tracer: Tracer, offset: float) -> None:
        self._tracer, self._offset = tracer, offset

    def nanoseconds(self, time: float) -> int:
        return int((time + self._offset) * 1e9)

    def open(
        self,
        name: str,
        began: float,
        attributes: Attributes,
        context: Context,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        start = self.nanoseconds(began)
        return self._tracer.start_span(name, context, kind, attributes, start_time=start)

    def close(self, span: Span, time: float) -> None:
        span.end(self.nanoseconds(time))

    def within(self, parent: Span, name: str, times: tuple[float, float]) -> None:
        """Records a finished span."""
        span = self.open(name, times[0], {}, set_span_in_context(parent))
        self.close(span, times[1])


class RequestTrace(RequestObserver):
    """The spans of one request."""

    def __init__(self, timeline: _Timeline, span: Span, record: Record) -> None:
        self._timeline, self._span, self._record = timeline, span, record
        self._model: Span | None = None
        self._dispatched_at = 0.0
        self._answered_at: float | None = None
        self._streamed = False

    @override
    def decided(self, decision: Decision, started: float, ended: float) -> None:
        attributes: Attributes = {
            "niche.domain": decision.domain,
            "niche.reason": str(decision.reason),
            "niche.confidence": decision.confidence,
            "niche.candidates": decision.candidates,
        }
        route = self._timeline.open("route", started, attributes, set_span_in_context(self._span))
        self._timeline.close(route, ended)

    @override
    def dispatched(self, request: CompletionRequest, model: str, time: float) -> None:
        """Puts the headers that continue this trace into the record."""
        name = f"{_OPERATIONS[request.operation]} {model}"
        parent, attributes = set_span_in_context(self._span), _request_attributes(request, model)
        self._dispatched_at = time
        self._model = self._timeline.open(name, time, attributes, parent, SpanKind.CLIENT)
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(self._model))
        self._record.trace_headers = tuple(carrier.items())

    @override
    def answered(self, answer: Answer, time: float) -> None:
        assert self._model is not None
        self._answered_at = time
        self._model.set_attribute("gen_ai.response.model", answer.model)
        self._streamed = isinstance(answer, StreamedAnswer)
        if self._streamed:
            seconds = time - self._dispatched_at
            self._model.set_attribute("gen_ai.response.time_to_first_chunk", seconds)
        for attempt in answer.attempts:
            if attempt.error is not None:
                why = {"niche.model": attempt.model, "error.type": type(attempt.error).__name__}
                self._model.add_event("niche.passed_over", why, self._timeline.nanoseconds(time))

    @override
    def ended(self, time: float) -> None:
        record = self._record
        if self._model is not None:
            self._describe(self._model, time)
            self._model.set_attributes(_response_attributes(record))
            _fail(self._model, record)
            self._timeline.close(self._model, time)
        self._span.set_attribute("http.response.status_code", record.status)
        _fail(self._span, record)
        self._timeline.close(self._span, time)

    def _describe(self, model: Span, ended: float) -> None:
        """Records the phases at the model, as far as the request got."""
        first, begun = self._answered_at, self._dispatched_at
        if first is None:
            self._timeline.within(model, "queue", (begun, ended))
            return
        usage = self._record.usage
        if usage.prefill_seconds is not None:
            if not self._streamed:  # the whole answer arrived at once
                first = min(first, max(begun, first - usage.engine_seconds) + usage.prefill_seconds)
            begun = max(begun, first - usage.prefill_seconds)
            self._timeline.within(model, "queue", (self._dispatched_at, begun))
        self._timeline.within(model, "prefill", (begun, first))
        self._timeline.within(model, "decode", (first, ended))


def _fail(span: Span, record: Record) -> None:
    """Marks the span as failed; a client's error (4xx) does not count as a server error."""
    if record.code is not None:
        span.set_attribute("error.type", record.code)
        if record.status >= 500:
            span.set_status(Status(StatusCode.ERROR))


def _request_attributes(request: CompletionRequest, model: str) -> Attributes:
    fields = request.fields
    attributes: dict[str, str | int | float | bool | Sequence[str] | None] = {
        "gen_ai.operation.name": _OPERATIONS[request.operation],
        "gen_ai.provider.name": "niche",
        "gen_ai.request.model": model,
        "gen_ai.request.stream": request.stream,
        "gen_ai.request.choice.count": request.choices,
        "gen_ai.request.max_tokens": fields.get("max_completion_tokens", fields.get("max_tokens")),
        "gen_ai.request.temperature": fields.get("temperature"),
        "gen_ai.request.top_p": fields.get("top_p"),
        "gen_ai.request.seed": fields.get("seed"),
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _response_attributes(record: Record) -> Attributes:
    usage = record.usage
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.response.finish_reasons": record.finish_reasons,
        "niche.engine_seconds": usage.engine_seconds,
    }
