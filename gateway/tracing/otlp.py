"""Exports spans to a collector, by OTLP over HTTP.

A background thread sends them in batches: a slow or absent collector loses spans, but never
delays an answer.
"""

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from gateway.config import ConfigError, TracingSection

_TIMEOUT_SECONDS = 5.0  # also the limit for the last spans at shutdown


def open_provider(settings: TracingSection) -> TracerProvider:
    """Opens the exporter of a gateway's spans; `shutdown` sends the last ones.

    `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_EXPORTER_OTLP_HEADERS` (a key, say) are read from the
    environment by the exporter itself.

    Raises:
        ConfigError: the exporter is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
            OTLPSpanExporter,
        )
    except ModuleNotFoundError:
        raise ConfigError(
            "observability.tracing: the OTLP exporter is not installed here; "
            "install the extra `tracing`: pip install -e '.[tracing]'"
        ) from None
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        resource=Resource.create({"service.name": settings.service_name}),
        shutdown_on_exit=False,  # the gateway calls it after its last request
    )
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=_TIMEOUT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
