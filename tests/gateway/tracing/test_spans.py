"""`gateway.tracing`: the spans of a request, and the trace that they belong to."""

import asyncio
import json
import logging

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode

from deployments.protocol import Overloaded, Unavailable
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, EMBEDDER, Gateway, make_gateway, until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Traced:
    """A gateway whose spans are kept here."""

    def __init__(self, *backends: FakeBackend, share: float = 1.0) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)), shutdown_on_exit=False
        )
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.gateway: Gateway = make_gateway(
            *backends, tracer_provider=provider, embeddings=[EMBEDDER]
        )

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """By name."""
        return {span.name: span for span in self._exporter.get_finished_spans()}


def seconds(span: ReadableSpan) -> tuple[float, float]:
    """When it began and ended, in seconds since the request arrived."""
    arrival = 1_700_000_000.5
    return round(span.start_time / 1e9 - arrival, 3), round(span.end_time / 1e9 - arrival, 3)


async def test_a_request_is_a_tree_of_spans():
    """Routing and the model's answer are parts of the request; queue, prefill and decode of the
    answer."""
    traced = Traced(FakeBackend("big"), FakeBackend("sql-model", prefill_seconds=0.1))

    await traced.gateway.post(CHAT)

    spans = traced.spans
    names = {span.context.span_id: name for name, span in spans.items()}
    assert {name: span.parent and names[span.parent.span_id] for name, span in spans.items()} == {
        "POST /v1/chat/completions": None,
        "route": "POST /v1/chat/completions",
        "chat sql-model": "POST /v1/chat/completions",
        "queue": "chat sql-model",
        "prefill": "chat sql-model",
        "decode": "chat sql-model",
    }
    assert spans["POST /v1/chat/completions"].kind is SpanKind.SERVER
    assert spans["chat sql-model"].kind is SpanKind.CLIENT


async def test_embeddings_are_traced():
    """By their own name."""
    traced = Traced()

    await traced.gateway.post({"model": "vectors", "input": "a"}, "/v1/embeddings")

    span = traced.spans["embeddings vectors"]
    assert span.attributes["gen_ai.operation.name"] == "embeddings"
    assert span.attributes["gen_ai.usage.input_tokens"] == 1


async def test_spans_say_what_happened():
    """Attributes follow the conventions for HTTP and generative AI."""
    traced = Traced()

    response = await traced.gateway.post(CHAT | {"max_tokens": 9, "temperature": 0.5, "seed": 3})

    spans = traced.spans
    assert dict(spans["POST /v1/chat/completions"].attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "url.path": "/v1/chat/completions",
        "http.response.status_code": 200,
        "niche.request_id": response.headers["x-request-id"],
    }
    assert dict(spans["route"].attributes) == {
        "niche.domain": "sql",
        "niche.reason": "routed",
        "niche.confidence": 0.9,
        "niche.candidates": ("sql-model", "big"),
    }
    assert dict(spans["chat sql-model"].attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "niche",
        "gen_ai.request.model": "sql-model",
        "gen_ai.request.stream": False,
        "gen_ai.request.choice.count": 1,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.seed": 3,
        "gen_ai.response.model": "sql-model",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "niche.engine_seconds": 0.5,
    }


async def test_spans_last_as_long_as_what_they_stand_for():
    """The wait for a model is its queue, but for what its engine says that the prefill took; the
    rest is decoding."""
    first, rest = asyncio.Event(), asyncio.Event()
    sql = FakeBackend("sql-model", first_gate=first, gate=rest, prefill_seconds=1.5)
    traced = Traced(FakeBackend("big"), sql)
    asking = asyncio.create_task(traced.gateway.post(CHAT | {"stream": True}))
    await until(lambda: sql.open_streams)
    traced.gateway.clock.advance(2.0)
    first.set()
    await until(lambda: traced.gateway.sample("niche_requests_queued", model="sql-model") == 0)
    traced.gateway.clock.advance(4.0)
    rest.set()
    await asking

    assert {name: seconds(span) for name, span in traced.spans.items()} == {
        "POST /v1/chat/completions": (0, 6),
        "route": (0, 0),
        "chat sql-model": (0, 6),
        "queue": (0, 0.5),
        "prefill": (0.5, 2),
        "decode": (2, 6),
    }


async def test_a_whole_answers_phases_come_from_its_engine():
    """It arrives at once; its engine says how long it worked, and on the prefill."""
    gate = asyncio.Event()
    sql = FakeBackend("sql-model", first_gate=gate, engine_seconds=4.0, prefill_seconds=1.5)
    traced = Traced(FakeBackend("big"), sql)
    asking = asyncio.create_task(traced.gateway.post(CHAT))
    await until(lambda: sql.open_streams)
    traced.gateway.clock.advance(6.0)
    gate.set()
    await asking

    assert {name: seconds(traced.spans[name]) for name in ("queue", "prefill", "decode")} == {
        "queue": (0, 2),
        "prefill": (2, 3.5),
        "decode": (3.5, 6),
    }


async def test_an_engine_that_does_not_tell_has_no_queue():
    """Where the prefill's length is not known, one span holds it and the wait."""
    traced = Traced()

    await traced.gateway.post(CHAT)

    assert "prefill" in traced.spans
    assert "queue" not in traced.spans


async def test_the_trace_of_the_client_goes_on():
    """The request is a part of the client's trace, and the model's server is told of the answer's
    span (W3C trace context)."""
    traced = Traced()

    await traced.gateway.post(CHAT, traceparent=TRACEPARENT, tracestate="vendor=1")

    request, answer = traced.spans["POST /v1/chat/completions"], traced.spans["chat sql-model"]
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == PARENT
    assert dict(traced.gateway.sql.requests[0].trace) == {
        "traceparent": f"00-{TRACE}-{answer.context.span_id:016x}-01",
        "tracestate": "vendor=1",
    }


@pytest.mark.parametrize("given", ["", "00-zz-zz-01", f"00-{'0' * 32}-{PARENT}-01"])
async def test_a_broken_context_begins_a_new_trace(given):
    """A header that cannot be read is as none."""
    traced = Traced()

    await traced.gateway.post(CHAT, traceparent=given)

    assert traced.spans["POST /v1/chat/completions"].parent is None


async def test_what_the_client_does_not_sample_is_not_kept():
    """The client's decision holds: nothing is kept, and the model's server is told so."""
    traced = Traced()

    await traced.gateway.post(CHAT, traceparent=f"00-{TRACE}-{PARENT}-00")

    assert traced.spans == {}
    assert dict(traced.gateway.sql.requests[0].trace)["traceparent"].endswith("-00")


async def test_the_share_decides_where_the_client_does_not():
    """With a share of nothing nothing is kept, but for clients that ask for it."""
    traced = Traced(share=0.0)

    await traced.gateway.post(CHAT)
    assert traced.spans == {}
    await traced.gateway.post(CHAT, traceparent=TRACEPARENT)
    assert "chat sql-model" in traced.spans


async def test_a_failure_of_ours_is_an_error():
    """A 5xx marks the request and the answer; the wait was the queue's."""
    refusal = Unavailable("big", "gone")
    traced = Traced(FakeBackend("big", refusal=refusal))

    await traced.gateway.post(CHAT | {"model": "big"})

    assert set(traced.spans) == {"POST /v1/chat/completions", "route", "chat big", "queue"}
    for name in ("POST /v1/chat/completions", "chat big"):
        assert traced.spans[name].status.status_code is StatusCode.ERROR
        assert traced.spans[name].attributes["error.type"] == "model_unavailable"


async def test_a_mistake_of_the_client_is_no_error():
    """A 4xx has its code and leaves the span's status alone."""
    traced = Traced()

    await traced.gateway.post(CHAT | {"model": "none"})

    [(name, span)] = traced.spans.items()
    assert name == "POST /v1/chat/completions"
    assert span.attributes["error.type"] == "model_not_found"
    assert span.status.status_code is StatusCode.UNSET


async def test_a_stream_that_breaks_is_an_error():
    """The status is sent long ago: the span has the failure's."""
    traced = Traced(FakeBackend("big"), FakeBackend("sql-model", cut=True))

    await traced.gateway.post(CHAT | {"stream": True})

    request = traced.spans["POST /v1/chat/completions"]
    assert request.attributes["http.response.status_code"] == 503
    assert request.status.status_code is StatusCode.ERROR


async def test_models_that_are_passed_over_are_seen():
    """The answer's span names them, and the model that answered."""
    traced = Traced(
        FakeBackend("big"), FakeBackend("sql-model", refusal=Overloaded("sql-model", 9, 1.0))
    )

    await traced.gateway.post(CHAT)

    answer = traced.spans["chat sql-model"]
    assert answer.attributes["gen_ai.response.model"] == "big"
    assert [dict(event.attributes) for event in answer.events] == [
        {"niche.model": "sql-model", "error.type": "Overloaded"}
    ]


async def test_nothing_that_was_said_is_traced():
    """Prompts, answers and the client's own words are in no span."""
    traced = Traced(FakeBackend("big"), FakeBackend("sql-model", pieces=("marker",)))
    said = [{"role": "user", "content": "marker SELECT"}]

    await traced.gateway.post(CHAT | {"messages": said, "user": "marker", "stop": ["marker-stop"]})

    assert len(traced.spans) == 5
    assert "marker" not in json.dumps([span.to_json() for span in traced.spans.values()])


async def test_probes_are_not_traced():
    """Only requests for an answer are."""
    traced = Traced()

    await traced.gateway.get("/healthz")
    await traced.gateway.get("/metrics")

    assert traced.spans == {}


async def test_the_log_names_the_trace(caplog):
    """Log lines of a traced request have its trace's id, by which the two are joined."""
    caplog.set_level(logging.INFO, "gateway")
    traced = Traced(FakeBackend("big", refusal=Unavailable("big", "gone")))

    await traced.gateway.post(CHAT | {"model": "big"}, traceparent=TRACEPARENT)

    lines = {record.message: record.fields for record in caplog.records}
    assert {name: fields["trace_id"] for name, fields in lines.items()} == {
        "a model failed": TRACE,
        "request": TRACE,
    }


async def test_without_a_provider_nothing_is_traced():
    """By default models are told of no trace."""
    gateway = make_gateway()

    await gateway.post(CHAT, traceparent=TRACEPARENT)

    assert gateway.sql.requests[0].trace == ()
