"""Starts the whole stack on this machine and stops it again. Importing this file imports Ray."""

import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from itertools import count
from pathlib import Path

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.api import RunTarget
from ray.serve.config import HTTPOptions
from ray.serve.exceptions import DeploymentUnavailableError, RayServeException
from ray.serve.schema import ApplicationStatus, LoggingConfig

from cli.made_of import Contents, card_of, contents, gateway_can_become, pools_made_of
from cli.ray_environment import HAPROXY
from cli.signals import held_back
from deployments.builder import build_pool
from deployments.engine import EngineContext
from deployments.http_address import http_url
from deployments.models.adapters import WEIGHTS
from deployments.pool import Pool
from gateway.classifier import ROUTER_APP, build_classifier
from gateway.config import LaunchError, NicheConfig
from gateway.desired_state import DesiredState
from gateway.edge.door import STOPPING
from gateway.ingress import GATEWAY_APP, GatewayContext, build_gateway
from gateway.routing import classifier_made_of

Progress = Callable[[str], object]

_POLL_SECONDS = 0.2
_FAILED = ApplicationStatus.DEPLOY_FAILED
_APPLY_SECONDS = 300.0
"""After which a change counts as failed, beside the time in which what it replaces answers."""
_QUIET = LoggingConfig(enable_access_log=False)  # the gateway logs each request itself
_LOOPBACK = "127.0.0.1"
_OBJECT_STORE_BYTES = 128 << 20  # answers are small and do not use it


@contextmanager
def running_stack(
    config: NicheConfig,
    cache_dir: Path,
    state_dir: Path,
    progress: Progress = lambda _: None,
    followed: Path | None = None,
) -> Iterator["LocalStack"]:
    """Runs Ray, the pools of models, and the gateway; yields the stack once the gateway is up.

    Args:
        config: the validated configuration.
        cache_dir: the directory of the model files.
        state_dir: an empty directory, only for this run, in that of `ray_environment`.
        progress: called with a message for each part of the stack that is up.
        followed: the configuration's file, if the stack follows it and requests may change it.

    Raises:
        LaunchError: the gateway did not start.
    """
    metrics_dir = state_dir / "metrics"
    metrics_dir.mkdir(parents=True)
    try:
        _start_ray(config, state_dir / "ray")
        stack = LocalStack(config, EngineContext(cache_dir), metrics_dir, followed)
        stack.start(progress)
        yield stack
    finally:
        (state_dir.parent / STOPPING).touch()
        # Serve's controller exits by itself, which Ray reports on stdout as an error.
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            if ray.is_initialized():  # otherwise Serve would start it
                serve.shutdown()
            ray.shutdown()


def _start_ray(config: NicheConfig, files: Path) -> None:
    """Starts Ray, whose files all of this machine may write to: the directory above keeps others
    out."""
    with held_back():
        try:
            ray.init(
                address="local",
                # Twice: while a pool is replaced the new one is there before the old one ends.
                num_cpus=max(os.cpu_count() or 1, 2 * cpus_wanted(config)),
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level="ERROR",
                _temp_dir=str(files),
            )
        except Exception as error:  # Ray has no class for it
            raise LaunchError(
                f"Ray did not start: {error}; try again when the machine is less busy"
            ) from error


class LocalStack:
    """The applications of a stack on this machine, which can come to another configuration.

    Args:
        config: the validated configuration.
        context: where model files are.
        metrics_dir: where the gateway's replicas keep their metrics.
        followed: as in `running_stack`.

    Attributes:
        config: the one that is served.
        contents: the checksums of its files.
        apps: the application of each pool, by `Pool.app_name`.
    """

    def __init__(
        self,
        config: NicheConfig,
        context: EngineContext,
        metrics_dir: Path,
        followed: Path | None = None,
    ) -> None:
        self.config = config
        self._context, self._metrics_dir, self._followed = context, metrics_dir, followed
        self.contents = contents(config)
        self._desired, self._number = metrics_dir.with_name("desired.json"), 0
        self.apps: Mapping[str, str] = {pool.app_name: pool.app_name for pool in config.pools}
        self._scoring = classifier_made_of(config.router)
        self._lacking: Mapping[str, str] = {}
        self._versions = {app: 1 for app in self.apps}

    @property
    def url(self) -> str:
        """Of the gateway."""
        return http_url(self.config.gateway.host, self.config.gateway.port)

    def start(self, progress: Progress = lambda _: None) -> None:
        """Deploys everything; returns when the gateway runs. Models join it when they are up.

        Raises:
            LaunchError: the gateway did not start.
        """
        self._lacking = _lacking_gpus(self.config)
        edge = self.config.gateway
        with _translated([GATEWAY_APP]):
            serve.start(
                http_options=HTTPOptions(
                    # HAProxy listens at the gateway's; Serve opens each replica's port at this.
                    host=_LOOPBACK if HAPROXY else edge.host,
                    port=edge.port,
                    # Only for what the gateway does not end itself: the answer is no JSON.
                    request_timeout_s=edge.drain_seconds,
                )
            )
            serve.run_many(self.applications(), wait_for_applications_running=False)
            _wait_until_running({GATEWAY_APP: "the gateway"}, progress)

    def failed(self) -> list[str]:
        """The applications of the stack that could not be deployed; Serve leaves them so. None
        while the controller does not answer."""
        try:
            states = serve.status().applications
        except (RayError, RayServeException, RuntimeError):
            return []
        failed = (name for name, app in states.items() if app.status == _FAILED)
        return sorted({*self.apps.values(), ROUTER_APP} & {*failed})

    def deploy_again(self, app: str) -> None:
        """Has an application try again; does not wait for it."""
        pools = [pool for pool in self.config.pools if self.apps[pool.app_name] == app]
        self._restart(pools, self.apps)
        targets = [of for of in self.applications() if of.name == app]
        with _translated([app]):
            serve.run_many(targets, wait_for_applications_running=False)

    @property
    def lacking_gpus(self) -> Mapping[str, str]:
        """The models whose replicas ask for GPUs that this machine does not have, and why."""
        return self._lacking

    def applications(self) -> list[RunTarget]:
        """The pools, the classifier if it is separate, and the gateway."""
        pools = [self._pool(pool, self.apps, self.contents) for pool in self.config.pools]
        classifier, gateway = self._classifier(self.config), self._gateway(self.config, self.apps)
        return [*pools, *classifier, gateway]

    def apply(self, config: NicheConfig, progress: Progress = lambda _: None) -> None:
        """Brings the stack to another configuration, or to other contents of its files.

        A pool that differs takes in its new models while it runs, where it can, or gets a new
        application beside the old one. Then the gateway's replicas come to the configuration while
        they answer, or are replaced one by one. What is old goes when it has answered.

        Raises:
            LaunchError: a part did not start; what was there before serves on.
        """
        found = contents(config)
        if self.config == config and self.contents == found:
            return
        lacking = self._require_gpus(config)
        pools = self._changed(config, found)
        apps = {pool.app_name: self.apps.get(pool.app_name, "") for pool in config.pools}
        grown = self._grown(pools)
        replaced = [pool for pool in pools if pool.app_name not in grown]
        apps |= self._beside(replaced)
        self._restart(replaced, apps)
        made = {**self.contents, **found}
        first = [self._pool(grown.get(pool.app_name, pool), apps, made) for pool in pools]
        if self._scoring != classifier_made_of(config.router):
            first += self._classifier(config)
        last = [self._pool(of, apps, made) for of in pools if grown.get(of.app_name, of) != of]
        tried, number = {str(target.name) for target in first}, self._number
        try:
            self._run(first, progress)
            _require_taken(grown, apps)
            self._gateways(config, apps, progress, tried)
            self._run(last, progress)
            _require_taken(grown, apps)
        except Exception:
            self._restart(replaced, apps)
            self._undo(apps, tried, progress, told=self._number > number)
            raise
        gone = {*self.apps.values()} - {*apps.values()}
        self.config, self.contents, self.apps, self._lacking = config, found, apps, lacking
        self._scoring = classifier_made_of(config.router)
        self._end_drained(gone)

    def _require_gpus(self, config: NicheConfig) -> Mapping[str, str]:
        """The models that lack GPUs; raises a `LaunchError` if these are more than before."""
        lacking = _lacking_gpus(config)
        for name in lacking.keys() - self._lacking.keys():
            raise LaunchError(f"{name}: {lacking[name]}")
        return lacking

    def _undo(
        self, apps: Mapping[str, str], tried: set[str], progress: Progress, *, told: bool
    ) -> None:
        """Brings back what an attempt replaced, and ends what it added: if the gateway's replicas
        were told of that, not before they ask it no more."""
        added = {*apps.values()} - {*self.apps.values()}
        with ExitStack() as last:
            if told:
                last.callback(self._end_drained, added)
                self._bring_gateways_back(tried)
            else:
                _end(added)
            self._run([of for of in self.applications() if of.name in tried], progress)

    def _bring_gateways_back(self, tried: set[str]) -> None:
        """Has the gateway's replicas serve what they did before. If one does not, they all are
        among what was `tried`."""
        self._number += 1
        DesiredState(self.config, self.apps, self._number).write(self._desired)
        if GATEWAY_APP not in tried:
            try:
                self._confirm()
            except LaunchError:
                tried.add(GATEWAY_APP)

    def _gateways(
        self, config: NicheConfig, apps: Mapping[str, str], progress: Progress, tried: set[str]
    ) -> None:
        """Has the gateway's replicas serve a configuration, or others in their places, which are
        then among what was `tried`."""
        self._number += 1
        if not gateway_can_become(self.config, config):
            tried.add(GATEWAY_APP)
            self._run([self._gateway(config, apps)], progress)
            return
        DesiredState(config, apps, self._number).write(self._desired)
        self._confirm()

    def _confirm(self) -> None:
        """Waits for the gateway's replicas; raises a `LaunchError` if one does not serve what the
        file says."""
        with _translated():
            gateways = serve.get_deployment_handle(GATEWAY_APP, app_name=GATEWAY_APP)
            confirmed = gateways.broadcast("confirm", self._number)
            for refused in confirmed.results(timeout_s=_APPLY_SECONDS):
                if refused is not None:
                    raise LaunchError(f"the gateway: {refused}")

    def _end_drained(self, apps: Set[str]) -> None:
        """Ends applications when the gateway's replicas have ended what they asked them."""
        if apps:
            gateways = serve.get_deployment_handle(GATEWAY_APP, app_name=GATEWAY_APP)
            seconds = self.config.gateway.drain_seconds
            with suppress(RayError, RayServeException, TimeoutError):
                gateways.broadcast("drained").results(timeout_s=_APPLY_SECONDS + seconds)
            _end(apps)

    def _changed(self, config: NicheConfig, found: Contents) -> list[Pool]:
        """The pools that are new, or made of something else than before."""
        old, new = pools_made_of(self.config, self.contents), pools_made_of(config, found)
        return [pool for pool in config.pools if old.get(pool.app_name) != new[pool.app_name]]

    def _grown(self, pools: Sequence[Pool]) -> dict[str, Pool]:
        """Of the pools that come to be while their replicas run: each with the models that leave
        it, by the name of its application."""
        old = {pool.app_name: pool for pool in self.config.pools}
        return {
            pool.app_name: pool.with_those_of(old[pool.app_name])
            for pool in pools
            if pool.app_name in old and old[pool.app_name].can_become(pool)
        }

    def _beside(self, pools: Sequence[Pool]) -> dict[str, str]:
        """The applications that take pools' places; a pool's own where there are not GPUs enough
        for both."""
        free, used = ray.available_resources().get("GPU", 0), {*self.apps.values()}
        found = {}
        for pool in pools:
            name, gpus = pool.app_name, pool.basis.resources.num_gpus * _most_replicas(pool)
            if name in self.apps and gpus > free:
                found[name] = self.apps[name]
                continue
            free -= gpus
            # No name of a pool has a tilde.
            names = (name if number == 1 else f"{name}~{number}" for number in count(1))
            found[name] = next(each for each in names if each not in used)
            used.add(found[name])
        return found

    def _run(self, targets: Sequence[RunTarget], progress: Progress) -> None:
        """Deploys applications and waits for them."""
        if targets:
            named = {str(of.name): str(of.name) for of in targets}
            with _translated(named):
                serve.run_many(targets, wait_for_applications_running=False)
                edge = self.config.gateway
                # Replicas are replaced one after the other, and Serve counts those that stop.
                seconds = _APPLY_SECONDS + edge.replicas * edge.drain_seconds
                _wait_until_running(named, progress, seconds)

    def _restart(self, pools: Iterable[Pool], apps: Mapping[str, str]) -> None:
        """Has the next deployment of pools start other replicas."""
        for pool in pools:
            app = apps[pool.app_name]
            self._versions[app] = self._versions.get(app, 0) + 1

    def _pool(self, pool: Pool, apps: Mapping[str, str], found: Contents) -> RunTarget:
        app = apps[pool.app_name]
        cards = [card_of(spec) for spec in pool.models if spec.adapter]
        checksums = [found[card] + found[card.with_name(WEIGHTS)] for card in cards]
        seconds, version = self.config.gateway.drain_seconds, str(self._versions[app])
        built = build_pool(pool, self._context, seconds, checksums, version)
        return RunTarget(built, app, None, _QUIET)

    def _classifier(self, config: NicheConfig) -> list[RunTarget]:
        apart = config.router.deployment
        if apart is None:
            return []
        built = build_classifier(config, apart, self._context.cache_dir, self._metrics_dir)
        return [RunTarget(built, ROUTER_APP, None, _QUIET)]

    def _gateway(self, config: NicheConfig, apps: Mapping[str, str]) -> RunTarget:
        context = GatewayContext(
            engine=self._context,
            metrics_dir=self._metrics_dir,
            apps=apps,
            followed=self._followed,
            desired=self._desired,
            number=self._number,
        )
        return RunTarget(build_gateway(config, context), GATEWAY_APP, "/", _QUIET)


@contextmanager
def _translated(apps: Collection[str] = ()) -> Iterator[None]:
    """Turns what Serve and Ray raise into a `LaunchError`; `apps` are those in question."""
    try:
        yield
    except RuntimeError as error:
        raise LaunchError(_what_failed(apps) or f"{error}; see Ray Serve's logs") from error
    except (RayError, RayServeException, TimeoutError) as error:
        first = str(error).strip().partition("\n")[0]
        raise LaunchError(
            f"Ray Serve did not start: {first}; try again when the machine is less busy"
        ) from error


def _require_taken(pools: Mapping[str, Pool], apps: Mapping[str, str]) -> None:
    """Waits for the replicas; raises a `LaunchError` if one stays with the models that it had."""
    for app_name, pool in pools.items():
        handle = serve.get_deployment_handle(pool.name, app_name=apps[app_name])
        with _translated(), suppress(DeploymentUnavailableError):  # all of its replicas sleep
            for refused in handle.broadcast("confirm").results(timeout_s=_APPLY_SECONDS):
                if refused is not None:
                    raise LaunchError(f"{_title(pool)}: {refused}")


def _end(apps: Iterable[str]) -> None:
    """Ends applications when they have answered."""
    for app in sorted(apps):
        serve.delete(app, _blocking=False)


def _title(pool: Pool) -> str:
    if not pool.shared:
        return pool.name
    return f"pool {pool.name} ({', '.join(pool.model_names)})"


def _wait_until_running(
    parts: Mapping[str, str], progress: Progress, seconds: float = math.inf
) -> None:
    """Returns when every application runs.

    Raises:
        RuntimeError: one of them could not be deployed, or not in time.
    """
    started, running = time.monotonic(), set[str]()
    while running < parts.keys():
        time.sleep(_POLL_SECONDS)
        states = {name: app.status for name, app in serve.status().applications.items()}
        if _FAILED in map(states.get, parts):
            raise RuntimeError("an application could not be deployed")
        if time.monotonic() - started > seconds:
            raise RuntimeError("an application was not up in time; it may lack a core or memory")
        for name in parts.keys() - running:
            if states.get(name) == ApplicationStatus.RUNNING:
                running.add(name)
                took = time.monotonic() - started
                count = f", {len(running)} of {len(parts)}" if len(parts) > 1 else ""
                progress(f"{parts[name]} is up ({took:.0f} s{count})")


def _lacking_gpus(config: NicheConfig) -> dict[str, str]:
    """The models for whose replicas there are not GPUs enough, with the reason; Serve would wait
    for them forever."""
    apart = config.router.deployment
    present = free = ray.cluster_resources().get("GPU", 0)
    free -= apart.num_gpus * apart.replicas if apart else 0
    found: dict[str, str] = {}
    for pool in config.pools:
        required = pool.basis.resources.num_gpus * _most_replicas(pool)
        if required > max(free, 0):
            reason = (
                f"it asks for {required:g} GPUs (num_gpus x replicas), and {max(free, 0):g} of "
                f"this machine's {present:g} are left; lower them, or use a fraction per replica"
            )
            found |= dict.fromkeys(pool.model_names, reason)
        else:
            free -= required
    return found


def _what_failed(apps: Collection[str]) -> str:
    """One line per failed deployment, with the last line of its message; empty without one."""
    lines = []
    for app, status in serve.status().applications.items():
        if app not in apps:
            continue
        for name, deployment in status.deployments.items():
            messages = [line for line in deployment.message.splitlines() if line.strip()]
            if messages and deployment.status != "HEALTHY":
                lines.append(f"{app}: {name} did not start: {messages[-1].strip()}")
    return "\n".join(lines)


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
