"""The classifier as a deployment of its own, on a really running stack of its own."""

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import yaml

from tests.e2e.conftest import Stack, eventually, running
from tests.e2e.test_openai_client import SQL

pytestmark = [pytest.mark.serve, pytest.mark.chaos]  # one dies, and the rest needs its stack

CHAT = {"model": "auto", "messages": [{"role": "user", "content": SQL}], "max_tokens": 4}
FAKE = {"model": "none", "engine": "fake", "resources": {"num_cpus": 0.1}}
_OLDEST_SECONDS = 1.5
"""Metrics are collected once a second."""


@dataclass
class Apart:
    """A stack of fake models and the real classifier."""

    stack: Stack

    def ask(self) -> httpx.Response:
        return httpx.post(f"{self.stack.url}/v1/chat/completions", json=CHAT, timeout=60)

    def batches(self) -> tuple[float, float]:
        """Forward passes so far, and the requests in them."""
        time.sleep(_OLDEST_SECONDS)
        text = httpx.get(f"{self.stack.url}/metrics", timeout=60).text
        count, total = (
            re.search(rf"^niche_router_batch_size_{name} (\S+)$", text, re.MULTILINE)
            for name in ("count", "sum")
        )
        assert count
        assert total
        return float(count[1]), float(total[1])


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    folder = tmp_path_factory.mktemp("apart")
    config = {
        "generalist": FAKE | {"name": "generalist"},
        "specialists": [FAKE | {"name": "sql", "domain": "sql"}],
        # Without remembered scores: the tests ask the same again, of the classifier.
        "router": {"deployment": {"batch_wait_seconds": 0.02}, "cached_scores": 0},
        "gateway": {"replicas": 1},
    }
    (folder / "niche.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with running(folder / "niche.yaml") as stack:
        yield Apart(stack)


def routed(answer: httpx.Response) -> bool:
    facts = tuple(answer.headers.get(f"x-niche-{name}") for name in ("model", "reason"))
    return answer.is_success and facts == ("sql", "routed")


def test_requests_are_routed_through_the_deployment(apart: Apart) -> None:
    """A request goes where the deployed classifier says, which counts it."""
    _, before = apart.batches()

    assert routed(apart.ask())
    assert apart.batches()[1] == before + 1


async def test_concurrent_requests_share_batches(apart: Apart) -> None:
    """Sixty-four requests at once are far fewer forward passes."""
    before = apart.batches()

    async with httpx.AsyncClient(base_url=apart.stack.url, timeout=60) as client:
        posts = [client.post("/v1/chat/completions", json=CHAT) for _ in range(64)]
        answers = await asyncio.gather(*posts)

    passes, requests = (now - then for now, then in zip(apart.batches(), before, strict=True))
    assert all(routed(answer) for answer in answers)
    assert requests == 64
    assert passes <= 32


def test_the_deployed_classifier_explains(apart: Apart) -> None:
    """What led to the scores comes from where the scores come from."""
    body = {"prompt": "show all rows of the table", "explain": True}
    answer = httpx.post(f"{apart.stack.url}/v1/niche/route", json=body, timeout=60).json()

    pieces = answer["explanation"]["pieces"]
    assert "".join(piece["text"] for piece in pieces) == body["prompt"]
    assert len(answer["explanation"]["neighbours"]) == 3


def test_no_request_is_lost_with_the_classifier(apart: Apart) -> None:
    """While the classifier is down the generalist answers, and routing comes back by itself."""
    apart.stack.kill("classifier")

    answers = [apart.ask() for _ in range(5)]

    assert all(answer.is_success for answer in answers)
    assert answers[0].headers["x-niche-reason"] == "classifier_unavailable"
    assert answers[0].headers["x-niche-model"] == "generalist"
    assert eventually(lambda: routed(apart.ask()), 60)
    assert eventually(lambda: httpx.get(f"{apart.stack.url}/readyz?all", timeout=60).is_success, 60)
