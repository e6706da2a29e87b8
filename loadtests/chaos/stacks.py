"""The stacks that are struck: ours, and LiteLLM with two workers before two model servers."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGSTOP
from typing import Any

import yaml

from loadtests.bench.processes import started
from loadtests.bench.stacks import LITELLM_VERSION, litellm_version, ray_environment
from loadtests.chaos.requests import Asked
from loadtests.chaos.upstream import TOKEN_SECONDS
from loadtests.chaos.victims import Victim, haproxy, running, titled, workers
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.stack import Readiness, free_port, serve_command

TOKENS = 40
DEADLINE_SECONDS, FIRST_TOKEN_SECONDS = 60.0, 15.0
"""Shorter than the defaults, so that what hangs is seen in a short run."""
KILL_SECONDS, HANG_SECONDS = 10.0, 40.0
_RESTART_SECONDS = 2.0
_KEY = "sk-chaos-0123456789abcdef"

_MODEL, _GATEWAY = titled("ray::ServeReplica:model-"), titled("ray::ServeReplica:gateway")
PLAN: Sequence[tuple[Victim, float]] = (
    (Victim("model replica", _MODEL), KILL_SECONDS),
    (Victim("gateway replica", _GATEWAY), KILL_SECONDS),
    (Victim("HAProxy", haproxy), KILL_SECONDS),
    (Victim("HAProxy's manager", titled("ray::HAProxyManager")), KILL_SECONDS),
    (Victim("Serve's controller", titled("ray::ServeController")), KILL_SECONDS),
    (Victim("model replica hangs", _MODEL, SIGSTOP), HANG_SECONDS),
    (Victim("gateway replica hangs", _GATEWAY, SIGSTOP), HANG_SECONDS),
)
LITELLM_PLAN: Sequence[tuple[Victim, float]] = (
    (Victim("model server", running("loadtests.chaos.upstream")), KILL_SECONDS),
    (Victim("worker", workers), KILL_SECONDS),
    (Victim("model server hangs", running("loadtests.chaos.upstream"), SIGSTOP), HANG_SECONDS),
    (Victim("worker hangs", workers, SIGSTOP), HANG_SECONDS),
)
"""It has no door and no controller of its own."""


@contextmanager
def niche(folder: Path) -> Iterator[Asked]:
    """`niche serve` with two gateway replicas, and two of one model on the fake engine."""
    port = free_port()
    path, server = folder / "niche.yaml", Server(f"http://127.0.0.1:{port}", _KEY)
    (folder / "keys.txt").write_text(f"{_KEY}\n", encoding="utf-8")
    path.write_text(yaml.safe_dump(_niche_config(folder / "keys.txt")), encoding="utf-8")
    command = serve_command(path, port)
    with started(command, server, folder / "niche.log", Readiness(), ray_environment()):
        yield Asked(server, "generalist", TOKENS, DEADLINE_SECONDS)


def _niche_config(keys: Path) -> dict[str, Any]:
    reply = " ".join(["word"] * TOKENS)
    model = {
        "name": "generalist",
        "model": "none",
        "engine": "fake",
        "engine_options": {"reply": reply, "token_seconds": TOKEN_SECONDS},
        "replicas": 2,
        "resources": {"num_cpus": 0.1},
    }
    edge = {
        "api_keys_file": str(keys),
        "request_timeout_seconds": DEADLINE_SECONDS,
        "first_token_timeout_seconds": FIRST_TOKEN_SECONDS,
        "token_timeout_seconds": FIRST_TOKEN_SECONDS,
    }
    return {"generalist": model, "gateway": edge}


@contextmanager
def litellm(folder: Path, environment: Path) -> Iterator[Asked]:
    """LiteLLM with two workers, before two model servers that are started again when they die.

    Raises:
        LoadTestError: it is not installed in the environment.
    """
    if litellm_version(environment) != LITELLM_VERSION:
        raise LoadTestError(f"LiteLLM {LITELLM_VERSION} is not in {environment}: make bench-tools")
    ports, port = [free_port(), free_port()], free_port()
    path, server = folder / "litellm.yaml", Server(f"http://127.0.0.1:{port}", _KEY)
    path.write_text(yaml.safe_dump(_litellm_config(ports)), encoding="utf-8")
    command = [
        *(str(environment / "bin/litellm"), "--config", str(path)),
        *("--host", "127.0.0.1", "--port", str(port), "--num_workers", "2"),
        # uvicorn's 5 s kill a worker that still imports, on a busy machine again and again.
        *("--timeout_worker_healthcheck", "30"),
    ]
    ready = Readiness("/health/liveliness", 180.0)
    variables = ray_environment() | {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the internet for prices
    }
    with _upstreams(ports), started(command, server, folder / "litellm.log", ready, variables):
        yield Asked(server, "bench", TOKENS, DEADLINE_SECONDS)


def _litellm_config(ports: Sequence[int]) -> dict[str, Any]:
    return {
        "model_list": [
            {
                "model_name": "bench",
                "litellm_params": {
                    "model": "openai/bench",
                    "api_base": f"http://127.0.0.1:{port}/v1",
                    "api_key": "no",
                    "timeout": DEADLINE_SECONDS,
                    "stream_timeout": FIRST_TOKEN_SECONDS,
                },
            }
            for port in ports
        ],
        "router_settings": {"num_retries": 2},
        "general_settings": {"master_key": _KEY},
    }


@contextmanager
def _upstreams(ports: Sequence[int]) -> Iterator[None]:
    """Model servers; one that ends is started again, as by whatever runs it."""
    stopping = threading.Event()
    threads = [threading.Thread(target=_kept_up, args=(port, stopping)) for port in ports]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def _kept_up(port: int, stopping: threading.Event) -> None:
    command = [sys.executable, "-m", "loadtests.chaos.upstream", "--port", str(port)]
    while not stopping.is_set():
        with subprocess.Popen(command) as process:
            while process.poll() is None and not stopping.wait(0.1):
                pass
            process.kill()
        stopping.wait(_RESTART_SECONDS)
