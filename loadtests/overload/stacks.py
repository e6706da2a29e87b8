"""What is overloaded: our stack with default settings, and LiteLLM, each before the same work."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from loadtests.bench.processes import started
from loadtests.bench.stacks import LiteLLM, Running, Workspace, ray_environment
from loadtests.overload.clients import Target
from loadtests.traffic.client import Server
from loadtests.traffic.stack import Readiness, free_port, serve_command

_WORDS = 16


@dataclass(frozen=True)
class Work:
    """What an engine can do: so many requests at once, each in so many seconds."""

    slots: int = 4
    seconds: float = 1.0


class Stack(Protocol):
    """Something to overload; `title` is its name in the table."""

    @property
    def title(self) -> str: ...  # noqa: D102 - see above
    def start(self, workspace: Workspace) -> AbstractContextManager[Target]:
        """Runs it.

        Raises:
            LoadTestError: it cannot be had, or did not start.
        """


@dataclass(frozen=True)
class Niche:
    """Our stack with default settings and one model, on an engine in its replica.

    Attributes:
        model: of niche.yaml.
    """

    model: dict[str, Any]
    title: str

    @contextmanager
    def start(self, workspace: Workspace) -> Iterator[Target]:
        """Runs `niche serve`."""
        path, port = workspace.folder / "niche.yaml", free_port()
        path.write_text(yaml.safe_dump({"generalist": self.model}), encoding="utf-8")
        server, log = Server(f"http://127.0.0.1:{port}"), workspace.logs / "niche.log"
        with started(serve_command(path, port), server, log, Readiness(), ray_environment()):
            yield Target(server, self.model["name"])


def on_fake_engine(work: Work) -> Niche:
    """Our stack on the fake engine."""
    pace = work.seconds / _WORDS
    options = {
        "reply": " ".join(["word"] * _WORDS),
        "first_token_seconds": pace,
        "token_seconds": pace,
        "parallel_requests": work.slots,
    }
    model = {"name": "generalist", "model": "bench", "engine": "fake", "engine_options": options}
    return Niche(model, "Niche")


def on_real_engine() -> Niche:
    """Our stack on llama.cpp and the default generalist, which has four slots."""
    return Niche({"name": "generalist", "model": "smollm2-135m-instruct"}, "Niche, llama.cpp")


@dataclass(frozen=True)
class Forwarding:
    """LiteLLM, forwarding to the upstream.

    Attributes:
        environment: the virtual environment in which it is installed.
    """

    environment: Path
    title: str = "LiteLLM"

    @contextmanager
    def start(self, workspace: Workspace) -> Iterator[Target]:
        """Runs `litellm`."""
        with LiteLLM(self.environment).start(workspace) as running:
            yield Target(running.server, "bench")


@contextmanager
def upstream(work: Work, logs: Path) -> Iterator[Running]:
    """The server that LiteLLM forwards to."""
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}")
    command = [
        *(sys.executable, "-m", "loadtests.overload.upstream", "--port", str(port)),
        *("--slots", str(work.slots), "--seconds", str(work.seconds)),
    ]
    ready = Readiness("/v1/models", 30.0)
    with started(command, server, logs / "upstream.log", ready) as pid:
        yield Running(server, pid)
