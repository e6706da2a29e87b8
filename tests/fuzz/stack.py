"""`niche serve` with fake models: the door of a real stack, which is HAProxy."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from gateway.config import NicheConfig
from loadtests.bench.processes import started
from loadtests.bench.stacks import ray_environment
from loadtests.traffic.client import Server
from loadtests.traffic.stack import Readiness, free_port, serve_command
from tests.fuzz.gateway import EMBEDDER, GENERALIST, RANKER, edge
from tests.fuzz.wire import KEY


@contextmanager
def stack() -> Iterator[str]:
    """Its address, from ready to stopped; without specialists, so that it needs no router."""
    with tempfile.TemporaryDirectory(prefix="niche-fuzz-") as name:
        folder = Path(name)
        models = {"generalist": GENERALIST, "embeddings": [EMBEDDER], "rerankers": [RANKER]}
        config = NicheConfig(**models, gateway=edge(folder))
        path, port = folder / "niche.yaml", free_port()
        written = config.model_dump(mode="json", exclude_defaults=True)
        path.write_text(yaml.safe_dump(written), encoding="utf-8")
        server = Server(f"http://127.0.0.1:{port}", KEY)
        log, environment = folder / "niche.log", ray_environment()
        with started(serve_command(path, port), server, log, Readiness(), environment):
            yield server.url
