"""`gateway.tracing.otlp`: spans reach a collector, and no collector is no harm."""

import subprocess
import sys
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.config import TracingSection
from gateway.tracing.otlp import open_provider
from tests.gateway.stacks import CHAT, make_gateway, on_loopback

ROOT = Path(__file__).parents[3]


class Collector:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[ExportTraceServiceRequest] = []
        self.app = Starlette(routes=[Route("/v1/traces", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        self.received.append(ExportTraceServiceRequest.FromString(await request.body()))
        return Response(b"", media_type="application/x-protobuf")


async def test_spans_reach_a_collector():
    """At the gateway's end at the latest all spans are sent, under the configured name."""
    collector = Collector()
    with on_loopback(collector.app) as url:
        settings = TracingSection(endpoint=f"{url}/v1/traces", service_name="tried")
        gateway = make_gateway(tracer_provider=open_provider(settings))
        async with gateway.serving():
            await gateway.post(CHAT)

    sent = [resource for request in collector.received for resource in request.resource_spans]
    names = {
        span.name for resource in sent for scope in resource.scope_spans for span in scope.spans
    }
    assert names == {
        "POST /v1/chat/completions",
        "route",
        "chat sql-model",
        "prefill",
        "decode",
    }
    described = {pair.key: pair.value.string_value for pair in sent[0].resource.attributes}
    assert described["service.name"] == "tried"


async def test_without_a_collector_requests_are_answered():
    """A collector that cannot be reached costs spans, and no answer."""
    settings = TracingSection(endpoint="http://127.0.0.1:9/v1/traces")
    gateway = make_gateway(tracer_provider=open_provider(settings))

    async with gateway.serving():
        response = await gateway.post(CHAT)

    assert response.status_code == 200


_WITHOUT = """
import sys
sys.modules["opentelemetry.exporter.otlp.proto.http.trace_exporter"] = None
from gateway.config import ConfigError, TracingSection
from gateway.tracing.otlp import open_provider
try:
    open_provider(TracingSection(endpoint="http://collector:4318/v1/traces"))
except ConfigError as error:
    print(error)
"""


def test_an_absent_exporter_is_named():
    """Without the extra the error says what to install."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "extra `tracing`" in done.stdout
    assert len(done.stdout.splitlines()) == 1
