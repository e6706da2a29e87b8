"""Specialists that share a deployment, on a really running stack of their own."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.conftest import Stack, eventually, running

pytestmark = [pytest.mark.serve, pytest.mark.chaos]  # it needs a stack of its own

SPECIALISTS = ("sql", "tools", "math", "biomed", "support")
WORDS = 80
FAKE: dict[str, Any] = {
    "model": "base",
    "engine": "fake",
    "engine_options": {"token_seconds": 0.05},
    "resources": {"num_cpus": 0.1},
}
SLOW = {
    "engine_options": {"token_seconds": 0.05, "reply": "word " * WORDS},
    "limits": {"max_ongoing_requests": 1, "max_queued_requests": 1},
}
"""Of `sql`: it answers for four seconds, one request at a time."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pools") / "niche.yaml"


@pytest.fixture(scope="module")
def stack(file: Path) -> Iterator[Stack]:
    write(file, *SPECIALISTS)
    with running(file) as stack:
        yield stack


@pytest.fixture(autouse=True)
def _as_at_the_start(stack: Stack, file: Path) -> None:
    write(file, *SPECIALISTS)
    assert stack.follow() == ["generalist", *SPECIALISTS]


def write(file: Path, *names: str, **others: dict[str, Any]) -> None:
    """A stack of some specialists, and of others by their settings."""
    specialists = [{"name": name, "domain": name} for name in names]
    specialists = [FAKE | of | (SLOW if of["name"] == "sql" else {}) for of in specialists]
    specialists += [FAKE | {"name": name} | settings for name, settings in others.items()]
    config = {
        "generalist": FAKE | {"name": "generalist"},
        "specialists": specialists,
        "gateway": {"replicas": 1},
    }
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


def post(stack: Stack, model: str, **body: Any) -> httpx.Response:
    asked = {"model": model, "messages": [{"role": "user", "content": "hello"}]} | body
    return httpx.post(f"{stack.url}/v1/chat/completions", json=asked, timeout=60)


def text(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


def both_wait(stack: Stack) -> bool:
    """Whether two requests of `sql` have no answer yet."""
    metrics = httpx.get(f"{stack.url}/metrics", timeout=60).text
    return 'niche_requests_queued{model="sql"} 2.0' in metrics


def test_each_model_of_a_pool_answers(stack: Stack) -> None:
    """Five specialists have one replica, and the generalist its own."""
    before = stack.load("math")["completed"]

    answers = {name: text(post(stack, name)).split()[0] for name in SPECIALISTS[1:]}

    assert answers == {name: name for name in SPECIALISTS[1:]}
    assert sorted(stack.replicas()) == ["base", "gateway", "generalist"]
    assert stack.load("math")["completed"] == before + 1


def test_the_full_queue_of_one_keeps_no_other_out(stack: Stack) -> None:
    """One request of `sql` runs and one waits; the next is refused, and `math` answers at once."""
    with ThreadPoolExecutor() as threads:
        taken = [threads.submit(post, stack, "sql") for _ in range(2)]
        assert eventually(lambda: both_wait(stack))

        refused = post(stack, "sql")
        started = time.monotonic()
        other = post(stack, "math")

        assert time.monotonic() - started < 2
        assert (refused.status_code, other.status_code) == (429, 200)
        assert [answer.result().status_code for answer in taken] == [200, 200]


def test_models_come_and_go_in_a_replica_that_runs(stack: Stack, file: Path) -> None:
    """It answers on meanwhile: an engine that can be told so is neither loaded twice nor ended."""
    post(stack, "math")
    before = stack.load("math")["completed"]
    with ThreadPoolExecutor() as threads:
        begun = threads.submit(post, stack, "sql")
        assert eventually(lambda: stack.load("sql")["running"] == 1)
        write(file, "tools", "math", "support", later={"domain": "biomed"})

        models = stack.follow()

        assert models == ["generalist", "tools", "math", "support", "later"]
        assert text(begun.result()).split() == ["word"] * WORDS
    assert text(post(stack, "later")).startswith("later")
    assert post(stack, "sql").status_code == 404
    assert stack.load("math")["completed"] == before > 0


def test_models_that_cannot_be_leave_a_replica_as_it_was(stack: Stack, file: Path) -> None:
    """It says why, and serves on."""
    post(stack, "math")
    before = stack.load("math")["completed"]
    write(file, "sql", "math", wrong={"domain": "tools", "engine_options": {"reply": "{x}"}})

    assert stack.follow() == ["generalist", *SPECIALISTS]
    assert text(post(stack, "tools")).startswith("tools")
    assert stack.load("math")["completed"] == before > 0


def test_a_replica_that_is_replaced_ends_its_answers(stack: Stack) -> None:
    """What it began before it was replaced comes whole, and the next replica answers for all."""
    with ThreadPoolExecutor() as threads:
        begun = threads.submit(post, stack, "sql")
        assert eventually(lambda: stack.load("sql")["running"] == 1)

        stack.replace("sql")

        assert text(begun.result()).split() == ["word"] * WORDS
    assert eventually(lambda: post(stack, "tools").is_success)
    assert stack.load("math")["completed"] == 0
