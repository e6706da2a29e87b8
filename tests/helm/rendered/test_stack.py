"""The rendered `serveConfigV2` on a local Ray, with models that need no weights."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import yaml
from openai import OpenAI

from deployments.models.cache import cache_dir
from loadtests.traffic.stack import free_port
from tests.helm.documents import ROOT
from tests.helm.rendered.charts import rendered

pytestmark = [pytest.mark.serve, pytest.mark.slow]


@dataclass
class Stack:
    """A running stack: its URL, what it was made of, its processes, and its ear and mouth."""

    url: str
    config: dict[str, Any]
    replicas: dict[str, list[int]]
    folder: Path
    questions: IO[str]
    answers: IO[str]

    def deploy(self, config: dict[str, Any]) -> dict[str, list[int]]:
        """Deploys another configuration over this one; returns the processes of all replicas."""
        self.questions.write(f"{_written(config, self.folder / 'next.yaml')}\n")
        self.questions.flush()
        return _read(self.answers)


def _written(config: dict[str, Any], path: Path) -> Path:
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _read(answers: IO[str]) -> dict[str, list[int]]:
    """The next line that is an answer; Ray writes to stdout too."""
    for line in answers:
        if line.startswith("{"):
            return json.loads(line)
    raise AssertionError("the stack's process ended; its stderr says why")


def _on_this_machine(folder: Path) -> dict[str, Any]:
    """The configuration with this machine's directories, and a free port of the loopback."""
    config = rendered("fake").serve_config
    config["http_options"] = {"host": "127.0.0.1", "port": free_port()}
    metrics = folder / "metrics"
    metrics.mkdir()
    for app in config["applications"]:
        app["args"]["cache_dir"] = str(cache_dir(os.environ))
    gateway = config["applications"][-1]
    gateway["args"]["metrics_dir"] = str(metrics)
    options = gateway["deployments"][0]["ray_actor_options"]
    options["runtime_env"]["env_vars"]["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    return config


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    config = _on_this_machine(folder)
    path = _written(config, folder / "first.yaml")
    command = [sys.executable, "-m", "tests.helm.rendered.stack_driver", str(path), "cpu"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        replicas = _read(process.stdout)
        url = f"http://127.0.0.1:{config['http_options']['port']}"
        yield Stack(url, config, replicas, folder, process.stdin, process.stdout)
        process.stdin.close()
        process.wait(timeout=120)


def test_it_routes_and_answers(stack):
    """A request for `auto` is answered by the specialist of its domain, named ones by their own."""
    with OpenAI(base_url=f"{stack.url}/v1", api_key="none", timeout=60) as client:
        question = "Columns: name, country\nQuestion: Which singers are from France?"
        messages = [{"role": "user", "content": question}]
        routed = client.chat.completions.create(model="auto", messages=messages)
        named = client.chat.completions.create(model="tools", messages=messages)
        models = {found.id for found in client.models.list()}

    assert routed.model == "sql"
    assert named.choices[0].message.content.startswith("tools answers")
    assert {"generalist", "sql", "tools"} <= models


def test_more_replicas_restart_nobody(stack):
    """A changed number of replicas adds one and leaves the others alone."""
    [tools] = [app for app in stack.config["applications"] if app["name"] == "model-tools"]
    tools["deployments"][0]["num_replicas"] += 1

    after = stack.deploy(stack.config)

    assert len(after["model-tools"]) == 3
    ended = {pid for app, pids in stack.replicas.items() for pid in set(pids) - set(after[app])}
    assert ended == set()
