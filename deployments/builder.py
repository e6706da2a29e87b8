"""Builds Serve applications from model specs. Only this file wraps a model class for Ray Serve."""

from typing import Any

from ray import serve

from deployments.engine import EngineContext
from deployments.server import LoggingModelServer
from deployments.spec import Autoscaling, ModelSpec


def build_model(spec: ModelSpec, context: EngineContext) -> serve.Application:
    """The Serve application of one model; it has no HTTP route."""
    return serve.deployment(**serve_options(spec))(LoggingModelServer).bind(spec, context)


def serve_options(spec: ModelSpec) -> dict[str, Any]:
    """Serve's options for a model."""
    resources = spec.resources
    actor: dict[str, Any] = {"num_cpus": resources.num_cpus, "num_gpus": resources.num_gpus}
    if resources.memory_bytes is not None:
        actor["memory"] = resources.memory_bytes
    options: dict[str, Any] = {
        "name": spec.name,
        "ray_actor_options": actor,
        "max_ongoing_requests": spec.limits.max_ongoing_requests,
        "max_queued_requests": spec.limits.max_queued_requests,
        "health_check_period_s": 5,
        "health_check_timeout_s": 30,
        "graceful_shutdown_timeout_s": 20,
    }
    if spec.autoscaling is None:
        options["num_replicas"] = spec.replicas
    else:
        options["autoscaling_config"] = _autoscaling(spec.autoscaling)
    return options


def _autoscaling(settings: Autoscaling) -> dict[str, Any]:
    return {
        "min_replicas": settings.min_replicas,
        "max_replicas": settings.max_replicas,
        "target_ongoing_requests": settings.target_ongoing_requests,
        "upscale_delay_s": settings.upscale_delay_seconds,
        "downscale_delay_s": settings.downscale_delay_seconds,
    }
