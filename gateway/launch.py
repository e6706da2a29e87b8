"""Starts the whole stack on this machine and stops it again. Importing this file imports Ray."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import ray
from ray import serve
from ray.serve.api import RunTarget
from ray.serve.config import HTTPOptions

from deployments.builder import build_model
from deployments.engine import EngineContext
from gateway.config import NicheConfig
from gateway.ingress import GATEWAY_APP, GatewayContext, build_gateway

__all__ = ["running_stack"]

_OBJECT_STORE_BYTES = 128 << 20  # answers are small and do not pass through it


@contextmanager
def running_stack(config: NicheConfig, cache_dir: Path, state_dir: Path) -> Iterator[str]:
    """Runs Ray, one application per model, and the gateway; yields its base URL once all are up.

    Args:
        config: the validated configuration.
        cache_dir: where model files lie.
        state_dir: an empty directory of this run alone.
    """
    metrics_dir = state_dir / "metrics"
    metrics_dir.mkdir(parents=True)
    context = EngineContext(cache_dir)
    ray.init(
        address="local",
        num_cpus=max(os.cpu_count() or 1, _cpus_wanted(config)),
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        edge = config.gateway
        serve.start(http_options=HTTPOptions(host=edge.host, port=edge.port))
        serve.run_many(
            [
                RunTarget(build_model(spec, context), name=spec.app_name, route_prefix=None)
                for spec in config.models
            ]
            + [
                RunTarget(
                    build_gateway(config, GatewayContext(context, metrics_dir)),
                    name=GATEWAY_APP,
                    route_prefix="/",
                )
            ]
        )
        yield f"http://{edge.host}:{edge.port}"
    finally:
        # Serve's controller ends its own process, which Ray announces on stdout as an error.
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            serve.shutdown()
            ray.shutdown()


def _cpus_wanted(config: NicheConfig) -> int:
    """The cores that all replicas reserve together, and one for Serve's own actors.

    Reservations are book-keeping: a small machine may promise more than it has, and shares.
    """
    replicas = [
        (
            spec.resources.num_cpus,
            spec.autoscaling.max_replicas if spec.autoscaling else spec.replicas,
        )
        for spec in config.models
    ]
    replicas.append((config.gateway.num_cpus, config.gateway.replicas))
    return int(sum(cpus * count for cpus, count in replicas)) + 2
