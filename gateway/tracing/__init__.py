"""OpenTelemetry traces of requests; none unless `observability.tracing` is set."""
