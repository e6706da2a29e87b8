"""The classifier's replica without Serve, and the gateway's way to it over a fake handle."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ray.exceptions import RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException

from deployments.handle import ServeApplication
from deployments.protocol import Unavailable
from gateway.classifier import ClassifierServer, RemoteScorer, classifier_options
from gateway.config import GatewaySection, NicheConfig
from gateway.metrics import Metrics
from gateway.scoring import ScoringFailed
from router.config import ClassifierDeployment, RouterConfig
from router.types import Form, Query, Rationale, Scores
from tests.fakes import FakeClassifier
from tests.gateway.stacks import GENERALIST, until

SQL = Scores({"sql": 0.9, "general": 0.1}, -1.0, -0.5)


class Slow(FakeClassifier):
    """A classifier that keeps its batches, and holds those that say WAIT until `go`."""

    def __init__(self) -> None:
        super().__init__({"SELECT": "sql"})
        object.__setattr__(self, "go", threading.Event())
        object.__setattr__(self, "batches", [])

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        texts = [str(query.text) for query in queries]
        self.batches.append(texts)
        assert "WAIT" not in texts or self.go.wait(10)
        if "poison" in texts:
            raise ZeroDivisionError
        return super().scores(queries)


def queries(*texts: str) -> list[Query]:
    return [Query(text=text) for text in texts]


def domains(scores: list[Scores]) -> list[str]:
    return [next(iter(item.probabilities)) for item in scores]


async def test_a_replica_scores_what_it_is_given() -> None:
    """Scores come in the order of the queries, and the batch is counted."""
    metrics = Metrics(CollectorRegistry())
    server = ClassifierServer(FakeClassifier({"SELECT": "sql"}), 8, metrics)

    found = await server.score_all(queries("SELECT 1", "hello", "SELECT 2"))

    assert domains(found) == ["sql", "general", "sql"]
    assert metrics.registry.get_sample_value("niche_router_batch_size_sum") == 3
    assert metrics.registry.get_sample_value("niche_router_batch_size_count") == 1


async def test_a_replica_computes_once_before_it_is_asked() -> None:
    """The slow first pass is over when the replica is ready, and is not counted as a batch."""
    classifier, metrics = Slow(), Metrics(CollectorRegistry())

    ClassifierServer(classifier, 8, metrics)

    assert len(classifier.batches) == 1
    assert metrics.registry.get_sample_value("niche_router_batch_size_count") == 0


async def test_calls_that_wait_are_joined() -> None:
    """What Serve hands over in several batches while one is computed shares a forward pass."""
    classifier = Slow()
    server = ClassifierServer(classifier, 8, Metrics(CollectorRegistry()))
    first = asyncio.create_task(server.score_all(queries("WAIT")))
    await until(lambda: ["WAIT"] in classifier.batches)

    others = [asyncio.create_task(server.score_all(queries(*pair))) for pair in ("ab", "cd")]
    await asyncio.sleep(0.01)
    classifier.go.set()
    await asyncio.gather(first, *others)

    assert classifier.batches[1:] == [["WAIT"], ["a", "b", "c", "d"]]


async def test_a_fault_of_the_classifier_crosses_as_unavailable() -> None:
    """The caller gets an error that it knows, with the name of the one that it may not."""
    server = ClassifierServer(Slow(), 8, Metrics(CollectorRegistry()))

    with pytest.raises(Unavailable, match="ZeroDivisionError"):
        await server.score_all(queries("poison"))


async def test_a_replica_explains() -> None:
    """Beside its batches, so that nobody's scores wait for an explanation."""
    classifier = Slow()
    server = ClassifierServer(classifier, 8, Metrics(CollectorRegistry()))
    scoring = asyncio.create_task(server.score_all(queries("WAIT")))
    await until(lambda: ["WAIT"] in classifier.batches)

    rationale = await server.explain(Query(text="SELECT 1"))

    assert not scoring.done()
    assert [piece.text for piece in rationale.pieces] == ["SELECT ", "1"]
    classifier.go.set()
    await scoring


async def test_a_fault_of_an_explanation_crosses_as_unavailable() -> None:
    """As a fault of the scores."""
    server = ClassifierServer(Slow(), 8, Metrics(CollectorRegistry()))

    with pytest.raises(Unavailable, match="ZeroDivisionError"):
        await server.explain(Query(text="poison"))


class Handle:
    """A handle whose methods return, raise, or never answer, and the verdicts of its replicas on
    their health."""

    def __init__(self, score: Any = SQL, explain: Any = None) -> None:
        self.score, self.explain = Method(score), Method(explain)
        self.verdicts: list[Any] = [None]

    def broadcast(self, method: str) -> "Handle":
        assert method == "health"
        return self

    async def results_async(self, *, return_exceptions: bool) -> list[Any]:
        assert return_exceptions
        return self.verdicts


class Method:
    def __init__(self, result: Any) -> None:
        self.result, self.asked = result, 0

    def remote(self, *arguments: Any) -> Any:
        self.asked += 1
        return self._answer()

    async def _answer(self) -> Any:
        if isinstance(self.result, asyncio.Event):
            await self.result.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def scorer(handle: Handle) -> RemoteScorer:
    application = ServeApplication("classifier", lambda: handle)
    return RemoteScorer(application, timeout_seconds=0.05, explain_seconds=0.1)


async def test_an_explanation_comes_from_the_deployment() -> None:
    """A query is sent to the application and its rationale comes back."""
    told = Rationale(form=Form("plain", 0.9))
    assert await scorer(Handle(explain=told)).explain(Query(text="SELECT")) == told


async def test_an_explanation_may_take_its_own_time() -> None:
    """Longer than scores may."""
    with pytest.raises(ScoringFailed, match=r"0\.1 s"):
        await scorer(Handle(explain=asyncio.Event())).explain(Query(text="SELECT"))


async def test_scores_come_from_the_deployment() -> None:
    """A query is sent to the application and its scores come back."""
    assert await scorer(Handle()).score(Query(text="SELECT")) == SQL


@pytest.mark.parametrize(
    ("result", "why"),
    [
        pytest.param(asyncio.Event(), r"0\.05 s", id="silence"),
        pytest.param(Unavailable("classifier", "it failed: KeyError"), "KeyError", id="its fault"),
        pytest.param(
            RayTaskError("score", "traceback", ValueError("x")), "RayTaskError", id="an error"
        ),
        pytest.param(RayServeException("gone"), "not deployed", id="no application"),
        pytest.param(
            BackPressureError(num_queued_requests=9, max_queued_requests=9), "Overloaded", id="full"
        ),
    ],
)
async def test_whatever_fails_says_why(result: Any, why: str) -> None:
    """Silence and failures of every kind become the one error that the decider expects."""
    with pytest.raises(ScoringFailed, match=why):
        await scorer(Handle(score=result)).score(Query(text="SELECT"))


async def test_nobody_waits_for_a_classifier_that_is_down() -> None:
    """After its health said so no query is sent, until its health says otherwise."""
    handle = Handle()
    handle.verdicts = [Unavailable("classifier", "out of memory")]
    asked = scorer(handle)
    with pytest.raises(Unavailable):
        await asked.health()

    with pytest.raises(ScoringFailed, match="out of memory"):
        await asked.score(Query(text="SELECT"))
    assert handle.score.asked == 0

    handle.verdicts = [None]
    await asked.health()
    assert await asked.score(Query(text="SELECT")) == SQL


def test_serves_options() -> None:
    """Replicas, devices and the room for every caller are as configured; metrics are shared."""
    wanted = ClassifierDeployment(replicas=2, num_gpus=0.5)
    config = NicheConfig(
        generalist=GENERALIST,
        router=RouterConfig(deployment=wanted, encoder_threads=3),
        gateway=GatewaySection(replicas=2, max_concurrent_requests=100),
    )

    options = classifier_options(config, wanted, Path("/run/metrics"))

    assert {key: options[key] for key in ("name", "num_replicas", "max_ongoing_requests")} == {
        "name": "classifier",
        "num_replicas": 2,
        "max_ongoing_requests": 200,
    }
    assert options["ray_actor_options"] == {
        "num_cpus": 3,
        "num_gpus": 0.5,
        "runtime_env": {"env_vars": {"PROMETHEUS_MULTIPROC_DIR": "/run/metrics"}},
    }
