"""What happens to the cluster, in turn, while clients ask."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from loadtests.nodes.cluster import Cluster
from loadtests.nodes.pod import Ended

GENERALIST, GATEWAY = "model-generalist", "gateway"
_SETTLE_SECONDS = 240.0
_LATE_SECONDS = 15.0
"""A drained node's pod is replaced when the cluster has found a place for another."""
_HEAD_SECONDS = 8.0
_NOTICE_SECONDS = 20.0
"""Ray takes up to some 15 s to see that a node is dead."""


@dataclass(frozen=True)
class Phase:
    """What is done.

    Attributes:
        name: of it.
        is_orderly: whether no request may be lost; where a part is killed, its own may.
        act: does it, and returns what is to be said of it.
    """

    name: str
    is_orderly: bool
    act: Callable[[Cluster], Awaitable[str]]


async def start(cluster: Cluster) -> None:
    """Two workers, and what the chart deploys on them."""
    await cluster.joined(_SETTLE_SECONDS)  # the head; workers of KubeRay wait for it, too
    cluster.add_worker()
    cluster.add_worker()
    await cluster.joined(_SETTLE_SECONDS)
    await cluster.apply(_SETTLE_SECONDS)
    await cluster.settled(_SETTLE_SECONDS)


async def _update(cluster: Cluster) -> str:
    """Other options of the model and of the gateway, which replace all replicas."""
    [model] = cluster.arguments(GENERALIST)["models"]
    model["engine_options"]["reply"] += " more"
    cluster.arguments(GATEWAY)["config"]["gateway"]["body_timeout_seconds"] = 59
    await cluster.apply(_SETTLE_SECONDS)
    await asyncio.sleep(1)
    await cluster.settled(_SETTLE_SECONDS)
    return "all replicas of the model and of the gateway"


async def _replace(cluster: Cluster) -> str:
    """A worker joins, and an old one is deleted."""
    old = cluster.workers[0]
    cluster.add_worker()
    await cluster.joined(_SETTLE_SECONDS)
    ended = await cluster.delete(old)
    await cluster.settled(_SETTLE_SECONDS)
    return _told(old.name, ended)


async def _drain(cluster: Cluster) -> str:
    """A worker is deleted, and only then another comes."""
    old = cluster.workers[0]
    deleted = asyncio.create_task(cluster.delete(old))
    await asyncio.sleep(_LATE_SECONDS)
    cluster.add_worker()
    ended = await deleted
    await cluster.settled(_SETTLE_SECONDS)
    return _told(old.name, ended)


async def _scale(cluster: Cluster, model: int, gateway: int) -> str:
    before = [cluster.deployment(app)["num_replicas"] for app in (GENERALIST, GATEWAY)]
    cluster.deployment(GENERALIST)["num_replicas"] = model
    cluster.deployment(GATEWAY)["num_replicas"] = gateway
    await cluster.apply(_SETTLE_SECONDS)
    await asyncio.sleep(1)
    await cluster.settled(_SETTLE_SECONDS)
    return f"the model from {before[0]} to {model}, the gateway from {before[1]} to {gateway}"


async def _kill_worker(cluster: Cluster) -> str:
    """A worker is gone at once, and another comes."""
    old = cluster.workers[0]
    had = await cluster.replicas(old)
    cluster.kill(old)
    cluster.add_worker()
    await asyncio.sleep(_NOTICE_SECONDS)
    await cluster.settled(_SETTLE_SECONDS)
    return f"{old.name}, with {had[GENERALIST]} of the model and {had[GATEWAY]} of the gateway"


async def _kill_head(cluster: Cluster) -> str:
    """The head is gone at once, and comes again at the same address."""
    cluster.kill_head()
    await asyncio.sleep(_HEAD_SECONDS)
    cluster.restart_head()
    await cluster.settled(_SETTLE_SECONDS)
    await asyncio.sleep(_NOTICE_SECONDS)
    await cluster.settled(_SETTLE_SECONDS)
    return f"another after {_HEAD_SECONDS:g} s"


def _told(name: str, ended: Ended) -> str:
    if ended.killed:
        return f"{name} was killed at the end of its grace, after {ended.seconds:.0f} s"
    return f"{name} ended by itself after {ended.seconds:.0f} s"


PHASES = (
    Phase("rolling replacement of a node", True, _replace),
    Phase("node drain, its successor late", True, _drain),
    Phase("scale-down", True, lambda cluster: _scale(cluster, 2, 1)),
    Phase("scale-up", True, lambda cluster: _scale(cluster, 4, 2)),
    # The last of these: it spreads replicas again, after a drain they are together.
    Phase("rolling update", True, _update),
    Phase("worker killed", False, _kill_worker),
    Phase("head killed", False, _kill_head),
)
