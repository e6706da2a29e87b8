"""A request as spans of OpenTelemetry.

    POST /v1/chat/completions   arrival to last byte
      route                     deciding, with the wait for it
      chat MODEL                from the question to its last token
        queue                   until its engine began to work on it
        prefill                 until its first token
        decode                  until its last

Names and attributes follow the conventions for HTTP and generative AI; our own begin with `niche.`.
An engine that does not tell how long it worked on the first token has no `queue`: its `prefill`
holds both. Prompts and answers are in no span.
"""

from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from deployments.protocol import Usage
from gateway.dialects.parse import Ask
from gateway.tracing.trace import Ending, Headers, Trace
from router.dispatch import Attempt
from router.types import Decision

Attributes = dict[str, str | int | float | bool | Sequence[str]]

_CONTEXT_HEADERS = (b"traceparent", b"tracestate")
_OPERATIONS = {"chat": "chat", "text": "text_completion"}
_W3C = TraceContextTextMapPropagator()


class Tracing:
    """Opens a trace per request, or goes on with the client's.

    Args:
        tracer: keeps the spans.
        clock: monotonic seconds.
        wall_clock: Unix time in seconds.
    """

    def __init__(
        self, tracer: Tracer, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._tracer, self._clock, self._wall_clock = tracer, clock, wall_clock

    def begin(self, scope: Scope, request_id: str) -> Trace:
        """The trace of a request that has just arrived."""
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
            "niche.request_id": request_id,
        }
        span = timeline.open(
            f"{scope['method']} {scope['path']}",
            self._clock(),
            attributes,
            _W3C.extract(carrier),
            SpanKind.SERVER,
        )
        return _SpannedTrace(timeline, span)


class _Timeline:
    """Spans at times of the monotonic clock, which is `offset` seconds behind Unix time."""

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
        """A span that is over."""
        span = self.open(name, times[0], {}, set_span_in_context(parent))
        self.close(span, times[1])


class _SpannedTrace:
    """See `Trace`."""

    def __init__(self, timeline: _Timeline, span: Span) -> None:
        self._timeline, self._span = timeline, span
        self._model: Span | None = None
        self._asked_at = 0.0
        self._answered_at: float | None = None

    @property
    def trace_id(self) -> str:
        return f"{self._span.get_span_context().trace_id:032x}"

    def routed(self, decision: Decision, began: float, ended: float) -> None:
        attributes: Attributes = {
            "niche.domain": decision.domain,
            "niche.reason": str(decision.reason),
            "niche.confidence": decision.confidence,
            "niche.candidates": decision.candidates,
        }
        route = self._timeline.open("route", began, attributes, set_span_in_context(self._span))
        self._timeline.close(route, ended)

    def asked(self, ask: Ask, model: str, time: float) -> Headers:
        name = f"{_OPERATIONS[ask.kind]} {model}"
        parent, attributes = set_span_in_context(self._span), _request_attributes(ask, model)
        self._asked_at = time
        self._model = self._timeline.open(name, time, attributes, parent, SpanKind.CLIENT)
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(self._model))
        return tuple(carrier.items())

    def answered(self, model: str, attempts: Sequence[Attempt], time: float) -> None:
        assert self._model is not None
        self._answered_at = time
        self._model.set_attribute("gen_ai.response.model", model)
        self._model.set_attribute("gen_ai.response.time_to_first_chunk", time - self._asked_at)
        for attempt in attempts:
            if attempt.error is not None:
                why = {"niche.model": attempt.model, "error.type": type(attempt.error).__name__}
                self._model.add_event("niche.passed_over", why, self._timeline.nanoseconds(time))

    def ended(self, ending: Ending) -> None:
        if self._model is not None:
            self._describe(self._model, ending)
            self._model.set_attributes(_response_attributes(ending))
            _fail(self._model, ending)
            self._timeline.close(self._model, ending.time)
        self._span.set_attribute("http.response.status_code", ending.status)
        _fail(self._span, ending)
        self._timeline.close(self._span, ending.time)

    def _describe(self, model: Span, ending: Ending) -> None:
        """What happened at the model, as far as it came."""
        first = self._answered_at
        if first is None:
            self._timeline.within(model, "queue", (self._asked_at, ending.time))
            return
        begun = self._asked_at
        if ending.usage.prefill_seconds is not None:
            begun = max(begun, first - ending.usage.prefill_seconds)
            self._timeline.within(model, "queue", (self._asked_at, begun))
        self._timeline.within(model, "prefill", (begun, first))
        self._timeline.within(model, "decode", (first, ending.time))


def _fail(span: Span, ending: Ending) -> None:
    """A client's own mistake is no error of the server's span."""
    if ending.code is not None:
        span.set_attribute("error.type", ending.code)
        if ending.status >= 500:
            span.set_status(Status(StatusCode.ERROR))


def _request_attributes(ask: Ask, model: str) -> Attributes:
    sampling = ask.sampling
    known: dict[str, str | int | float | bool | Sequence[str] | None] = {
        "gen_ai.operation.name": _OPERATIONS[ask.kind],
        "gen_ai.provider.name": "niche",
        "gen_ai.request.model": model,
        "gen_ai.request.stream": ask.stream,
        "gen_ai.request.choice.count": ask.choices,
        "gen_ai.request.max_tokens": sampling.max_tokens,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.seed": sampling.seed,
    }
    return {name: value for name, value in known.items() if value is not None}


def _response_attributes(ending: Ending) -> Attributes:
    usage: Usage = ending.usage
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.response.finish_reasons": ending.finish_reasons,
        "niche.engine_seconds": usage.engine_seconds,
    }
