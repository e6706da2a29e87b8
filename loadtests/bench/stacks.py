"""What is measured: each stack with how it is started, and its arms, which are ways to ask it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import yaml

from loadtests.bench.processes import started
from loadtests.bench.upstream import PACE_SECONDS, STREAM_TOKENS
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.stack import Readiness, free_port, serve_command

LITELLM_VERSION = "1.106.4"
"""The version that is compared. Never 1.107, which was withdrawn from the index."""
DOMAINS = ("sql", "tools", "math", "biomed", "support")
"""Those of the default router."""

_MANY = 4096
"""Streams and requests that our stack accepts, so that its limits are not what is measured."""
_SOON = Readiness("/v1/models", 30.0)

Kind = Literal["whole", "streams", "capacity", "idle", "memory", "engine"]


@dataclass(frozen=True)
class Arm:
    """A way to ask a stack.

    Attributes:
        name: on the command line and in the results.
        title: in the tables.
        model: the model that requests name.
    """

    name: str
    title: str
    model: str


@dataclass(frozen=True)
class Workspace:
    """What stacks share in a run.

    Attributes:
        folder: of configurations and keys; it is removed after the run.
        logs: of the logs, which stay.
        key: the API key that every gateway requires.
        upstream: the bare upstream.
    """

    folder: Path
    logs: Path
    key: str
    upstream: Server


@dataclass(frozen=True)
class Running:
    """A running stack: its server, and the root of its processes, if it is known."""

    server: Server
    pid: int | None


class Stack(Protocol):
    """Something to measure.

    Attributes:
        name: of the stack in the results.
        title: of the stack in the tables.
        arms: the ways to ask it.
        kinds: what is measured.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see above
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def arms(self) -> tuple[Arm, ...]: ...  # noqa: D102
    @property
    def kinds(self) -> tuple[Kind, ...]: ...  # noqa: D102
    def start(self, workspace: Workspace) -> AbstractContextManager[Running]:
        """Runs it.

        Raises:
            LoadTestError: it cannot be had, or did not start.
        """


def ray_environment() -> dict[str, str]:
    """The environment of all stacks: the same authentication, and no reports, in all of Ray's
    processes; and no proxy or other cluster in between."""
    kept = {name: of for name, of in os.environ.items() if name != "RAY_ADDRESS"}
    return kept | {
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


@contextmanager
def bare_upstream(logs: Path, port: int, processes: int) -> Iterator[Running]:
    """The bare upstream, in one or several processes on one port."""
    server = Server(f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "loadtests.bench.upstream", "--port", str(port)]
    with ExitStack() as stack:
        pids = [
            stack.enter_context(started(command, server, logs / f"upstream-{number}.log", _SOON))
            for number in range(processes)
        ]
        yield Running(server, pids[0] if processes == 1 else None)


@dataclass(frozen=True)
class Niche:
    """Our stack: one gateway process, API keys, all metrics, and six models on one engine.

    Attributes:
        engine: `fake`, or `openai`, which forwards to the bare upstream.
        pace: seconds between two tokens of the fake engine.
    """

    name: str
    title: str
    arms: tuple[Arm, ...]
    kinds: tuple[Kind, ...]
    engine: Literal["fake", "openai"]
    pace: float = 0.0

    def config(self, workspace: Workspace, keys: Path) -> dict[str, Any]:
        """The niche.yaml."""
        model = {
            "model": "bench",
            **self._engine(workspace),
            "limits": {"max_ongoing_requests": _MANY, "max_queued_requests": _MANY},
        }
        return {
            "generalist": {"name": "generalist", **model},
            "specialists": [{"name": domain, "domain": domain, **model} for domain in DOMAINS],
            "gateway": {
                "replicas": 1,
                "api_keys_file": str(keys),
                "max_concurrent_requests": _MANY,
            },
        }

    def _engine(self, workspace: Workspace) -> dict[str, Any]:
        if self.engine == "openai":
            url = f"{workspace.upstream.url}/v1"
            return {"engine": "openai", "engine_options": {"base_url": url}}
        options = {"reply": " ".join(["word"] * STREAM_TOKENS), "token_seconds": self.pace}
        resources = {"num_cpus": 0.1}
        # A process per model, as other engines have, and as the bare Ray Serve it is compared with.
        own = {"deployment": "own", "resources": resources}
        return {"engine": "fake", "engine_options": options, **own}

    @contextmanager
    def start(self, workspace: Workspace) -> Iterator[Running]:
        """Runs `niche serve`."""
        folder, port = workspace.folder, free_port()
        keys = folder / "keys.txt"
        keys.write_text(f"{workspace.key}\n", encoding="utf-8")
        path = folder / f"{self.name}.yaml"
        path.write_text(yaml.safe_dump(self.config(workspace, keys)), encoding="utf-8")
        server = Server(f"http://127.0.0.1:{port}", workspace.key)
        command, log = serve_command(path, port), workspace.logs / f"{self.name}.log"
        with started(command, server, log, Readiness(), ray_environment()) as pid:
            yield Running(server, pid)


@dataclass(frozen=True)
class LiteLLM:
    """LiteLLM's proxy with one worker, forwarding to the bare upstream.

    Attributes:
        environment: the virtual environment in which it is installed.
    """

    environment: Path
    name: str = "litellm"
    title: str = "LiteLLM to the upstream"
    kinds: tuple[Kind, ...] = ("whole", "streams", "capacity", "idle", "memory")

    @property
    def arms(self) -> tuple[Arm, ...]:
        """One model."""
        return (Arm(self.name, self.title, "bench"),)

    def config(self, workspace: Workspace) -> dict[str, Any]:
        """Its config.yaml."""
        to = {"model": "openai/bench", "api_base": f"{workspace.upstream.url}/v1", "api_key": "no"}
        return {
            "model_list": [{"model_name": "bench", "litellm_params": to}],
            "general_settings": {"master_key": workspace.key},
        }

    @contextmanager
    def start(self, workspace: Workspace) -> Iterator[Running]:
        """Runs `litellm`."""
        found = litellm_version(self.environment)
        if found != LITELLM_VERSION:
            raise LoadTestError(
                f"LiteLLM {LITELLM_VERSION} is not in {self.environment} ({found or 'nothing'} is):"
                " `make bench-tools` installs it, or name an environment with --litellm"
            )
        folder, port = workspace.folder, free_port()
        path = folder / "litellm.yaml"
        path.write_text(yaml.safe_dump(self.config(workspace)), encoding="utf-8")
        server = Server(f"http://127.0.0.1:{port}", workspace.key)
        environment = ray_environment() | {
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the internet for prices
        }
        command = [
            *(str(self.environment / "bin/litellm"), "--config", str(path)),
            *("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
        ]
        ready = Readiness("/health/liveliness", 180.0)
        with started(command, server, workspace.logs / "litellm.log", ready, environment) as pid:
            yield Running(server, pid)


@dataclass(frozen=True)
class RayServe:
    """Bare Ray Serve with as many trivial applications as our stack has models; only at rest."""

    name: str = "ray-serve"
    title: str = "bare Ray Serve, six trivial applications"
    arms: tuple[Arm, ...] = ()
    kinds: tuple[Kind, ...] = ("idle", "memory")

    @contextmanager
    def start(self, workspace: Workspace) -> Iterator[Running]:
        """Runs it."""
        port, count = free_port(), len(DOMAINS) + 1
        server = Server(f"http://127.0.0.1:{port}")
        command = [
            *(sys.executable, "-m", "loadtests.bench.bare_serve"),
            *("--port", str(port), "--applications", str(count)),
        ]
        ready, log = Readiness(f"/app{count - 1}"), workspace.logs / "ray-serve.log"
        with started(command, server, log, ready, ray_environment()) as pid:
            yield Running(server, pid)


@dataclass(frozen=True)
class RunningServer:
    """A server that runs already: the bare upstream, or one that somebody else started.

    Attributes:
        server: where it listens, with its key.
        model: the model that requests name.
        pid: the root of its processes, to measure their CPU time and memory; None: not measured.
    """

    name: str
    title: str
    server: Server
    model: str
    pid: int | None = None

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The one model."""
        return (Arm(self.name, self.title, self.model),)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """At rest only with the process's id."""
        loads: tuple[Kind, ...] = ("whole", "streams", "capacity")
        return loads if self.pid is None else (*loads, "memory")

    @contextmanager
    def start(self, workspace: Workspace) -> Iterator[Running]:
        """It runs already."""
        del workspace
        yield Running(self.server, self.pid)


BARE = "bare"
"""The name of the upstream itself, with which every other arm is compared."""


def bare_stack(running: Running) -> RunningServer:
    """The bare upstream, asked directly."""
    return RunningServer(BARE, "bare upstream", running.server, "bench", running.pid)


def _niche_arms(prefix: str, engine: str) -> tuple[Arm, ...]:
    return (
        Arm(f"{prefix}-named", f"Niche, model named, {engine}", "generalist"),
        Arm(f"{prefix}-auto", f"Niche, `auto`, {engine}", "auto"),
    )


_FAKE, _PROXY = _niche_arms("fake", "fake engine"), _niche_arms("proxy", "to the upstream")


def our_stacks() -> tuple[Niche, ...]:
    """Our stack on the fake engine and before the upstream. The fake engine has one pace for all
    requests, so its streams come from a stack of their own."""
    fake = "Niche, six models, fake engine"
    return (
        Niche("fake", fake, _FAKE, ("whole", "idle", "memory"), "fake"),
        Niche("fake-paced", fake, _FAKE, ("streams", "capacity"), "fake", PACE_SECONDS),
        Niche(
            "proxy",
            "Niche, six models, to the upstream",
            _PROXY,
            ("whole", "streams", "capacity", "memory"),
            "openai",
        ),
    )


def litellm_version(environment: Path) -> str | None:
    """The version of LiteLLM in a virtual environment; None if it is not there."""
    python = environment / "bin/python"
    if shutil.which(str(python)) is None:
        return None
    code = "from importlib.metadata import version; print(version('litellm'))"
    command = [str(python), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() or None


def select(stacks: Sequence[Stack], only: Collection[str]) -> tuple[Stack, ...]:
    """The stacks with the named arms alone; of a stack without arms its own name counts.

    Raises:
        LoadTestError: a name is unknown.
    """
    known = {name for stack in stacks for name in _names(stack)}
    if unknown := sorted(set(only) - known):
        raise LoadTestError(f"--only: no {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    kept: list[Stack] = []
    for stack in stacks:
        if isinstance(stack, Niche):
            arms = tuple(arm for arm in stack.arms if arm.name in only)
            kept += [replace(stack, arms=arms)] if arms else []
        elif _names(stack) & set(only):
            kept.append(stack)
    return tuple(kept)


def _names(stack: Stack) -> set[str]:
    return {arm.name for arm in stack.arms} or {stack.name}
