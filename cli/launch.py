"""Starts the whole stack on this machine and stops it again. Importing this file imports Ray."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.api import RunTarget
from ray.serve.config import HTTPOptions
from ray.serve.schema import ApplicationStatus, LoggingConfig

from deployments.builder import build_pool
from deployments.engine import EngineContext
from deployments.pool import Pool
from gateway.classifier import ROUTER_APP, build_classifier
from gateway.config import LaunchError, NicheConfig
from gateway.ingress import GATEWAY_APP, GatewayContext, build_gateway

_POLL_SECONDS = 0.2
_OBJECT_STORE_BYTES = 128 << 20  # answers are small and do not use it


@contextmanager
def running_stack(
    config: NicheConfig,
    cache_dir: Path,
    state_dir: Path,
    progress: Callable[[str], object] = lambda _: None,
) -> Iterator[str]:
    """Runs Ray, the pools of models, and the gateway; yields its base URL once all are up.

    Args:
        config: the validated configuration.
        cache_dir: the directory of the model files.
        state_dir: an empty directory, only for this run.
        progress: called with a message for each part of the stack that is up.

    Raises:
        LaunchError: the machine lacks a resource that a model needs, or a part failed to start.
    """
    metrics_dir = state_dir / "metrics"
    metrics_dir.mkdir(parents=True)
    context = EngineContext(cache_dir)
    ray.init(
        address="local",
        num_cpus=max(os.cpu_count() or 1, cpus_wanted(config)),
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        _require_gpus(config)
        edge = config.gateway
        try:
            serve.start(http_options=HTTPOptions(host=edge.host, port=edge.port))
            targets = applications(config, context, metrics_dir)
            serve.run_many(targets, wait_for_applications_running=False)
            _wait_until_running(_parts(config), progress)
        except RuntimeError as error:
            raise LaunchError(_what_failed()) from error
        except RayError as error:
            first = str(error).strip().partition("\n")[0]
            raise LaunchError(
                f"Ray Serve did not start: {first}; try again when the machine is less busy"
            ) from error
        yield f"http://{edge.host}:{edge.port}"
    finally:
        # Serve's controller exits by itself, which Ray reports on stdout as an error.
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            serve.shutdown()
            ray.shutdown()


def applications(config: NicheConfig, context: EngineContext, metrics_dir: Path) -> list[RunTarget]:
    """The applications: the pools, the classifier if it is separate, and the gateway."""
    quiet = LoggingConfig(enable_access_log=False)  # the gateway logs each request itself
    targets = [
        RunTarget(build_pool(pool, context), pool.app_name, None, quiet) for pool in config.pools
    ]
    apart = config.router.deployment
    if apart is not None:
        classifier = build_classifier(config, apart, context.cache_dir, metrics_dir)
        targets.append(RunTarget(classifier, ROUTER_APP, None, quiet))
    gateway = build_gateway(config, GatewayContext(context, metrics_dir))
    return [*targets, RunTarget(gateway, GATEWAY_APP, "/", quiet)]


def _parts(config: NicheConfig) -> Mapping[str, str]:
    """The readable name of each application."""
    parts = {pool.app_name: _title(pool) for pool in config.pools}
    if config.router.deployment is not None:
        parts[ROUTER_APP] = "the classifier"
    return parts | {GATEWAY_APP: "the gateway"}


def _title(pool: Pool) -> str:
    if not pool.shared:
        return pool.name
    return f"pool {pool.name} ({', '.join(pool.model_names)})"


def _wait_until_running(parts: Mapping[str, str], progress: Callable[[str], object]) -> None:
    """Returns when every application runs.

    Raises:
        RuntimeError: one of them could not be deployed.
    """
    started, running = time.monotonic(), set[str]()
    while running < parts.keys():
        time.sleep(_POLL_SECONDS)
        states = {name: app.status for name, app in serve.status().applications.items()}
        if ApplicationStatus.DEPLOY_FAILED in states.values():
            raise RuntimeError("an application could not be deployed")
        for name in parts.keys() - running:
            if states.get(name) == ApplicationStatus.RUNNING:
                running.add(name)
                seconds = time.monotonic() - started
                progress(f"{parts[name]} is up ({seconds:.0f} s, {len(running)} of {len(parts)})")


def _require_gpus(config: NicheConfig) -> None:
    """Raises if GPUs are missing, since Serve would wait for them forever."""
    apart = config.router.deployment
    required = sum(
        pool.basis.resources.num_gpus * _most_replicas(pool) for pool in config.pools
    ) + (apart.num_gpus * apart.replicas if apart else 0)
    present = ray.cluster_resources().get("GPU", 0)
    if required > present:
        raise LaunchError(
            f"models and classifier ask for {required:g} GPUs (num_gpus x replicas) and this "
            f"machine has {present:g}; lower them, or use a fraction of a GPU per replica"
        )


def _what_failed() -> str:
    """One line per failed deployment, with the last line of its message."""
    lines = []
    for app, status in serve.status().applications.items():
        for name, deployment in status.deployments.items():
            messages = [line for line in deployment.message.splitlines() if line.strip()]
            if messages and deployment.status != "HEALTHY":
                lines.append(f"{app}: {name} did not start: {messages[-1].strip()}")
    return "\n".join(lines) or "Ray Serve did not start the applications; see its logs"


def _most_replicas(pool: Pool) -> int:
    scaling = pool.basis.autoscaling
    return scaling.max_replicas if scaling else pool.basis.replicas


def cpus_wanted(config: NicheConfig) -> int:
    """The total of cores that all replicas reserve, and one for Serve's own actors.

    Ray gets this number, since reservations are only bookkeeping: a small machine shares its cores.
    """
    replicas = [(pool.basis.resources.num_cpus, _most_replicas(pool)) for pool in config.pools]
    replicas.append((config.gateway.num_cpus, config.gateway.replicas))
    if config.router.deployment is not None:
        replicas.append((config.router.encoder_threads, config.router.deployment.replicas))
    return int(sum(cpus * count for cpus, count in replicas)) + 2
