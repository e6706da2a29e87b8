"""A running stack comes to what its file says, and no request is lost."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.config_file import load_config
from lab.specialists.registry import NICHES
from tests.e2e.conftest import ROOT, Stack, eventually, running
from tests.e2e.samples import BEGINNINGS

pytestmark = [pytest.mark.serve, pytest.mark.chaos]  # it needs a stack of its own


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("follow") / "niche.yaml"


@pytest.fixture(scope="module")
def stack(file: Path) -> Iterator[Stack]:
    write(file, "sql", "tools")
    with running(file) as stack:
        yield stack


@pytest.fixture(autouse=True)
def _as_at_the_start(stack: Stack, file: Path) -> None:
    write(file, "sql", "tools")
    assert stack.follow() == ["generalist", "sql", "tools"]


def write(file: Path, *names: str, **other: Any) -> None:
    """The default stack with some of its specialists."""
    config = yaml.safe_load((ROOT / "niche.yaml").read_text(encoding="utf-8"))
    del config["embeddings"]  # they change nothing here
    config["specialists"] = [
        {**spec, **other} for spec in config["specialists"] if spec["name"] in names
    ]
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


def body(domain: str) -> dict[str, Any]:
    text = NICHES[domain].sample
    return {"model": "auto", "max_tokens": 8, "messages": [{"role": "user", "content": text}]}


async def asking(url: str, stop: asyncio.Event, answers: Counter[str]) -> None:
    """Asks `sql` and `tools` until told to stop; counts who answered, or what failed."""
    async with httpx.AsyncClient(timeout=60) as client:
        while not stop.is_set():
            for asked in (body("sql"), body("tools") | {"model": "tools"}):
                try:
                    answer = await client.post(f"{url}/v1/chat/completions", json=asked)
                    answers[answer.headers.get("x-niche-model", str(answer.status_code))] += 1
                except httpx.HTTPError as error:
                    answers[repr(error)] += 1


async def under_load(stack: Stack, change: Any) -> tuple[Any, Counter[str]]:
    """What a change returns that is made while four clients ask, and what they got."""
    stop, answers = asyncio.Event(), Counter[str]()
    tasks = [asyncio.create_task(asking(stack.url, stop, answers)) for _ in range(4)]
    try:
        found = await asyncio.to_thread(change)
    finally:
        stop.set()
        await asyncio.gather(*tasks)
    return found, answers


def answered_by(stack: Stack, domain: str) -> set[str]:
    """Who answers the domain's requests, at every replica of the gateway."""
    url = f"{stack.url}/v1/chat/completions"
    return {
        httpx.post(url, json=body(domain), timeout=60).headers["x-niche-model"] for _ in range(8)
    }


def test_a_specialist_comes_while_requests_are_answered(stack: Stack, file: Path) -> None:
    """The pool takes it in, and no other request fails or goes elsewhere meanwhile."""
    assert answered_by(stack, "math") == {"generalist"}
    write(file, "sql", "tools", "math")

    models, answers = asyncio.run(under_load(stack, stack.follow))

    assert models == ["generalist", "sql", "tools", "math"]
    assert set(answers) == {"sql", "tools"}
    assert answers.total() > 8
    assert answered_by(stack, "math") == {"math"}
    asked = body("math") | {"max_tokens": 32}
    answer = httpx.post(f"{stack.url}/v1/chat/completions", json=asked, timeout=60).json()
    assert answer["choices"][0]["message"]["content"].startswith(BEGINNINGS["math"])


def test_a_specialist_goes_and_its_process_with_it(stack: Stack, file: Path) -> None:
    """Its domain's requests are the generalist's; what was there before the change has ended."""
    write(file, "sql")

    assert stack.follow() == ["generalist", "sql"]
    assert answered_by(stack, "tools") == {"generalist"}
    assert answered_by(stack, "sql") == {"sql"}
    pool = ["gateway", "gateway", "generalist", "smollm2-135m-instruct"]
    assert eventually(lambda: sorted(stack.replicas()) == pool, 30)


def test_an_operators_requests_have_a_specialist_come_and_go(stack: Stack, file: Path) -> None:
    """Every replica answers it, no other request fails, and the next start finds it in the file."""
    url = f"{stack.url}/v1/niche/specialists"

    def add() -> list[str]:
        added = httpx.post(url, json={"name": "math", "adapter": "math"}, timeout=60)
        assert added.status_code == 202, added.text
        return stack.follow()

    def remove() -> list[str]:
        assert httpx.delete(f"{url}/math", timeout=60).status_code == 202
        return stack.follow()

    models, answers = asyncio.run(under_load(stack, add))
    assert models == ["generalist", "sql", "tools", "math"]
    assert set(answers) == {"sql", "tools"}
    assert answered_by(stack, "math") == {"math"}
    assert httpx.get(f"{stack.url}/v1/models/math").json()["niche"]["role"] == "specialist"
    assert load_config(file).models_of("math") == ("math",)

    models, answers = asyncio.run(under_load(stack, remove))
    assert models == ["generalist", "sql", "tools"]
    assert set(answers) == {"sql", "tools"}
    assert answered_by(stack, "math") == {"generalist"}


@pytest.mark.parametrize(
    "wrong",
    [{"adapter": "nowhere"}, {"domain": "unheard-of"}, {"engine_options": {"no_such": 1}}],
    ids=["no adapter", "unknown domain", "unknown option"],
)
def test_what_cannot_be_served_leaves_the_stack_as_it_was(
    stack: Stack, file: Path, wrong: dict[str, Any]
) -> None:
    """An error, and the requests go on."""
    write(file, "sql", "tools", "math", **wrong)

    assert stack.follow() == ["generalist", "sql", "tools"]
    assert answered_by(stack, "sql") == {"sql"}
