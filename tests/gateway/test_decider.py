"""Decisions of the gateway: scored together, decided on the event loop, never lost."""

import asyncio
import logging
import threading

from gateway.scoring import ScoringFailed
from router.types import Query, Scores
from tests.fakes import FakeClassifier
from tests.gateway.stacks import CHAT, make_gateway


class Elsewhere:
    """A deployed scorer that gives its scores, or raises them."""

    def __init__(self, result: Scores | Exception, illness: Exception | None = None) -> None:
        self._result, self._illness = result, illness

    async def score(self, query: Query) -> Scores:
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    async def health(self) -> None:
        if self._illness is not None:
            raise self._illness


async def test_concurrent_requests_share_a_forward_pass():
    """Requests that come at once are fewer batches than requests."""
    gateway = make_gateway()

    async with gateway.client() as client:
        posts = [client.post("/v1/chat/completions", json=CHAT) for _ in range(8)]
        answers = await asyncio.gather(*posts)

    assert {answer.headers["x-niche-domain"] for answer in answers} == {"sql"}
    assert gateway.sample("niche_router_batch_size_sum") == 8
    assert gateway.sample("niche_router_batch_size_count") < 8
    assert gateway.sample("niche_router_duration_seconds_count") == 8


async def test_scoring_leaves_the_event_loop_alone():
    """The classifier works on another thread."""
    threads = []

    class Watched(FakeClassifier):
        def scores(self, queries):
            threads.append(threading.current_thread())
            return super().scores(queries)

    await make_gateway(classifier=Watched({"SELECT": "sql"})).post(CHAT)

    assert threads
    assert threading.main_thread() not in threads


async def test_scores_from_elsewhere_decide():
    """With a deployed scorer the classifier of this process is not asked."""
    scores = Scores({"sql": 0.8, "general": 0.2}, -1.0, -0.5)
    gateway = make_gateway(classifier=FakeClassifier({"DROP": "sql"}), scorer=Elsewhere(scores))

    answer = await gateway.post(CHAT)

    assert answer.headers["x-niche-domain"] == "sql"
    assert answer.headers["x-niche-confidence"] == "0.8000"


async def test_a_request_that_cannot_be_scored_goes_to_the_generalist(caplog):
    """A classifier that fails loses no request: the reason says so, and the log why."""
    gateway = make_gateway(scorer=Elsewhere(ScoringFailed("it took too long")))

    with caplog.at_level(logging.WARNING):
        answer = await gateway.post(CHAT)

    assert answer.status_code == 200
    facts = ("model", "domain", "reason", "confidence")
    shown = {name: answer.headers[f"x-niche-{name}"] for name in facts}
    assert shown == {
        "model": "big",
        "domain": "general",
        "reason": "classifier_unavailable",
        "confidence": "0.0000",
    }
    assert "it took too long" in caplog.text
    assert gateway.sample("niche_router_duration_seconds_count") == 1
    assert gateway.sample("niche_router_confidence_count", domain="general") is None


async def test_a_fault_of_the_classifier_here_costs_no_answer(caplog):
    """The generalist answers those whose batch could not be scored, and the log has the fault."""

    class Broken(FakeClassifier):
        def scores(self, queries):
            raise RuntimeError("broken")

    answer = await make_gateway(classifier=Broken({"SELECT": "sql"})).post(CHAT)

    assert (answer.status_code, answer.headers["x-niche-reason"]) == (200, "classifier_unavailable")
    assert "RuntimeError: broken" in caplog.text


async def test_readiness_includes_a_deployed_classifier():
    """The stack is not ready while its classifier is not; routing goes on."""
    ill = Elsewhere(Scores({"general": 1.0}, -1.0, -0.5), RuntimeError("gone"))
    gateway = make_gateway(scorer=ill)

    ready = await gateway.get("/readyz?all")

    assert ready.status_code == 503
    assert ready.json()["models"] == {"router/classifier": "RuntimeError"}
    assert (await gateway.post(CHAT)).status_code == 200
