"""Stacks for end-to-end tests: one for most, and others by their configuration."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
import yaml
from openai import OpenAI

from loadtests.traffic.stack import free_port

ROOT = Path(__file__).parent.parent.parent

SPECIALISTS = ("sql", "tools")
"""Those of the default stack that the tests start: each more would cost memory and a start."""

OVERLOADED = {
    "name": "support",
    "domain": "support",
    "model": "none",
    "engine": "fake",
    "engine_options": {"overloaded": True},
    "resources": {"num_cpus": 0.1},
}
"""A specialist that refuses every request: failing over takes no kill, which would take long."""

ASLEEP = {
    "name": "biomed",
    "domain": "biomed",
    "model": "none",
    "engine": "fake",
    "deployment": "own",
    "autoscaling": {"min_replicas": 0},
    "resources": {"num_cpus": 0.1},
}
"""A specialist that has no replica before its first request."""


@dataclass
class Stack:
    """The running stack: its URL, and its driver's process, ear and mouth."""

    url: str
    pid: int
    questions: IO[str]
    answers: IO[str]

    def _ask(self, question: dict[str, str]) -> dict[str, Any]:
        self.questions.write(json.dumps(question) + "\n")
        self.questions.flush()
        return _read(self.answers)

    def load(self, model: str) -> dict[str, Any]:
        """The record that the model's engine keeps."""
        return self._ask({"load": model})

    def replicas(self) -> list[str]:
        """The deployments of the replicas that run."""
        return [
            word.split(":")[-1].split(".")[0]
            for child in psutil.Process(self.pid).children(recursive=True)
            for word in child.cmdline()
            if "ServeReplica" in word
        ]

    def kill(self, model: str) -> None:
        """Ends the replica of a model, or of the `classifier`, with SIGKILL."""
        self._ask({"kill": model})

    def replace(self, model: str) -> None:
        """Deploys the pool of a model again; returns when it runs."""
        self._ask({"replace": model})

    def follow(self) -> list[str]:
        """Has the stack look at its file; returns when it serves it, with the models."""
        return self._ask({"follow": ""})["models"]

    def client(self) -> OpenAI:
        """The official client, which does not retry: a test wants to see every answer."""
        return OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=120)


def _read(answers: IO[str]) -> dict[str, Any]:
    """The next line that is an answer; Ray writes to stdout too."""
    for line in answers:
        if line.startswith("{"):
            return json.loads(line)
    raise AssertionError("the stack's process ended; its stderr says why")


@contextmanager
def running(config: Path) -> Iterator[Stack]:
    """The stack of a configuration, from ready to stopped."""
    command = [sys.executable, "-m", "tests.e2e.driver", str(config), str(free_port())]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = _read(process.stdout)["ready"]
        yield Stack(url, process.pid, process.stdin, process.stdout)
        process.stdin.close()
        process.wait(timeout=120)


def _written(source: Path, decision_log: Path) -> Path:
    """A stack's file with a few of its specialists, two of another kind, and a decision log."""
    config = yaml.safe_load(source.read_text(encoding="utf-8"))
    some = [of for of in config["specialists"] if of["name"] in SPECIALISTS]
    config["specialists"] = [*some, OVERLOADED, ASLEEP]
    config["observability"] = {"decision_log": {"path": str(decision_log)}}
    path = decision_log.with_name("niche.yaml")
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def decision_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the stack's decisions."""
    return tmp_path_factory.mktemp("stack") / "decisions.jsonl"


@pytest.fixture(scope="session")
def stack(decision_log: Path) -> Iterator[Stack]:
    source = Path(os.environ.get("NICHE_E2E_CONFIG", ROOT / "niche.yaml"))
    with running(_written(source, decision_log)) as stack:
        yield stack


@pytest.fixture
def client(stack: Stack) -> Iterator[OpenAI]:
    with stack.client() as client:
        yield client


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return holds()
