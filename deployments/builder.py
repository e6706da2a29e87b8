"""Builds Serve applications from pools. Only this file wraps a model class for Ray Serve."""

from collections.abc import Sequence
from typing import Any

from ray import serve

from deployments.engine import EngineContext
from deployments.limiter import USUAL_SLOTS
from deployments.pool import Pool
from deployments.server import ServedModelServer
from deployments.spec import LIVE_ENGINES, Autoscaling, ModelSpec

_NO_LIMIT = 10_000
"""Requests at once in a replica whose models have limits each, which gateways keep. Serve would
count them together, so that the requests of one model could keep out those of the others."""

_IN_GROUPS = frozenset({"vllm"})
"""Engines that start a worker of Ray for each of several GPUs."""


def build_pool(
    pool: Pool,
    context: EngineContext,
    drain_seconds: float,
    checksums: Sequence[str] = (),
    version: str | None = None,
) -> serve.Application:
    """The Serve application of a pool; it has no HTTP route.

    Args:
        pool: its models.
        context: where files are kept.
        drain_seconds: how long a replica that stops may take for the answers that it has begun.
        checksums: of its adapters: others are another desired state, also under the same names.
        version: replicas of the same version stay where the models of a `LiveEngine` change; None:
            of none.
    """
    options = serve_options(pool, drain_seconds)
    deployment = serve.deployment(**options)(ServedModelServer)
    if pool.basis.engine in LIVE_ENGINES:
        models = [spec.model_dump(mode="json", exclude_defaults=True) for spec in pool.models]
        deployment = deployment.options(
            user_config={"models": models, "checksums": list(checksums)},
            # Without one `serve.run` makes a new one each time; only a config file says none.
            version=version,
            _internal=True,
        )
    return deployment.bind(pool.models, context)


def serve_options(pool: Pool, drain_seconds: float) -> dict[str, Any]:
    """Serve's options for a pool; `drain_seconds` as of `build_pool`."""
    spec = pool.basis
    resources = spec.resources
    actor: dict[str, Any] = {"num_cpus": resources.num_cpus, "num_gpus": resources.num_gpus}
    grouped = spec.engine in _IN_GROUPS and resources.num_gpus > 1
    if grouped:
        actor["num_gpus"] = 0  # its workers have them
    if resources.memory_bytes is not None:
        actor["memory"] = resources.memory_bytes
    limits = spec.limits
    options: dict[str, Any] = {
        "name": pool.name,
        "ray_actor_options": actor,
        "max_ongoing_requests": _NO_LIMIT
        if pool.shared
        else limits.max_ongoing_requests or USUAL_SLOTS,
        "max_queued_requests": -1 if pool.shared else limits.max_queued_requests or -1,
        "health_check_period_s": 5,
        "health_check_timeout_s": 30,
        "graceful_shutdown_timeout_s": drain_seconds,
    }
    if grouped:
        options |= _placement_group(spec)
    if spec.autoscaling is None:
        options["num_replicas"] = spec.replicas
    else:
        options["autoscaling_config"] = _autoscaling(spec.autoscaling)
    return options


def _placement_group(spec: ModelSpec) -> dict[str, Any]:
    """A bundle per GPU, for one worker each; the replica is in the first. Tensor parallel workers
    talk at every layer, so they share a node; the stages of a pipeline may be on several."""
    first: dict[str, float] = {"CPU": spec.resources.num_cpus, "GPU": 1}
    if spec.resources.memory_bytes is not None:
        first["memory"] = spec.resources.memory_bytes
    others = [{"GPU": 1}] * (int(spec.resources.num_gpus) - 1)
    stages = spec.engine_options.get("pipeline_parallel_size", 1)
    return {
        "placement_group_bundles": [first, *others],
        "placement_group_strategy": "STRICT_PACK" if stages == 1 else "PACK",
    }


def _autoscaling(settings: Autoscaling) -> dict[str, Any]:
    return {
        "min_replicas": settings.min_replicas,
        "max_replicas": settings.max_replicas,
        "target_ongoing_requests": settings.target_ongoing_requests,
        "upscale_delay_s": settings.upscale_delay_seconds,
        "downscale_delay_s": settings.downscale_delay_seconds,
    }
