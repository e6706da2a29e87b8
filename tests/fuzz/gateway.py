"""A gateway on loopback for the fuzzers: fake models, keys, stores, and a file to change.

    python -m tests.fuzz.gateway

It prints its address and serves until its stdin closes.
"""

import sys
import tempfile
import time
from pathlib import Path

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from deployments.capability import Capability
from deployments.engine import EngineContext, create_engines
from deployments.spec import ModelSpec
from gateway.app import build_app
from gateway.config import GatewaySection, NicheConfig, ResponseStoreSection
from gateway.dependencies import Dependencies
from gateway.metrics import Metrics
from gateway.shadow_config import ShadowSection
from gateway.specialists.stack_file import StackFile
from router.config import RouterConfig
from router.policy import Policy
from tests.fakes import FakeClassifier
from tests.fuzz.wire import KEY
from tests.gateway.stacks import on_loopback

OPERATOR_KEY = "sk-fuzz-operator"

MAX_BODY_BYTES, BODY_SECONDS = 100_000, 2.0
"""Small, so that a request may be too long or too slow and the test of it short."""

GENERALIST = ModelSpec(name="big", model="none", engine="fake", capabilities=set(Capability))
SPECIALIST = GENERALIST.model_copy(update={"name": "sql-model", "domain": "sql"})
EMBEDDER = ModelSpec(name="vectors", model="none", engine="fake", kind="embedding")
RANKER = EMBEDDER.model_copy(update={"name": "ranker", "kind": "reranking"})


def edge(folder: Path) -> GatewaySection:
    """The HTTP edge with everything that requests can reach; writes its keys."""
    keys = folder / "keys.txt"
    keys.write_text(f"grader {KEY}\noperator {OPERATOR_KEY}\n", encoding="utf-8")
    return GatewaySection(
        api_keys_file=str(keys),
        max_body_bytes=MAX_BODY_BYTES,
        body_timeout_seconds=BODY_SECONDS,
        max_gets_per_client=0,  # all that is asked comes from one
        shadow=ShadowSection(path=str(folder / "evidence.db"), sample_ratio=1, store_texts=True),
        response_store=ResponseStoreSection(path=str(folder / "responses.db")),
    )


def app(folder: Path) -> Starlette:
    """The gateway, with its files in a folder."""
    config = NicheConfig(
        generalist=GENERALIST,
        specialists=(SPECIALIST,),
        embeddings=(EMBEDDER,),
        rerankers=(RANKER,),
        gateway=edge(folder),
    )
    file = folder / "niche.yaml"
    file.write_text("generalist: {name: big, model: none, engine: fake}\n", encoding="utf-8")
    engines = create_engines({spec.name: spec for spec in config.models}, EngineContext(folder))
    dependencies = Dependencies(
        config=config,
        policy=Policy({"sql": (SPECIALIST.name,)}, GENERALIST.name, RouterConfig()),
        classifier=FakeClassifier({"SELECT": "sql"}),
        backends=engines,
        metrics=Metrics(CollectorRegistry()),
        clock=time.monotonic,
        wall_clock=time.time,
        stack_file=StackFile(file, lambda _: None),
    )
    return build_app(dependencies)


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="niche-fuzz-") as folder,
        on_loopback(app(Path(folder))) as address,
    ):
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
