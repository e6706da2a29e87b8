"""The models of a running stack: who comes and goes is told, and what failed tries again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from cli.watch import ModelWatch, missing_models
from deployments.protocol import STARTING
from gateway.config import NicheConfig
from gateway.config_file import parse_config
from tests.cli.servers import served
from tests.fakes import FakeClock

FAKE = {"model": "m", "engine": "fake"}
CONFIG = parse_config(
    {
        "generalist": {"name": "big"} | FAKE,
        "specialists": [{"name": "sql", "domain": "sql"} | FAKE],
    },
    "niche.yaml",
)


class Stack:
    """A stack whose gateway answers as told."""

    config: NicheConfig = CONFIG
    lacking_gpus: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.url = ""
        self.missing: dict[str, str] = {}
        self.down: list[str] = []
        self.deployed_again: list[str] = []
        self.asked = 0

    def failed(self) -> list[str]:
        self.asked += 1
        return self.down

    def deploy_again(self, app: str) -> None:
        self.deployed_again.append(app)

    @contextmanager
    def serving(self) -> Iterator["Stack"]:
        async def ready(_request: Request) -> JSONResponse:
            return JSONResponse({"models": self.missing}, 503 if self.missing else 200)

        with served(Starlette(routes=[Route("/readyz", ready)])) as self.url:
            yield self


@pytest.fixture
def stack() -> Iterator[Stack]:
    with Stack().serving() as stack:
        yield stack


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(0.0)


@pytest.fixture
def watch(stack: Stack, said: list[str], clock: FakeClock) -> ModelWatch:
    return ModelWatch(stack, 0.0, said.append, clock, clock.advance)  # type: ignore[arg-type]


def names(said: list[str]) -> list[str]:
    return [" ".join(line.split()[:3]) for line in said]


def test_each_model_is_told_once_as_it_comes(
    stack: Stack, watch: ModelWatch, said: list[str]
) -> None:
    """One that still starts is neither up nor missing."""
    stack.missing = {"big": STARTING}
    watch.look()
    watch.look()
    assert names(said) == ["sql is up"]
    stack.missing = {}
    watch.look()
    assert names(said) == ["sql is up", "big is up"]


def test_a_model_that_goes_and_comes_back_is_told(
    stack: Stack, watch: ModelWatch, said: list[str]
) -> None:
    """With the reason."""
    watch.look()
    for stack.missing in ({"sql": "no weights"}, {"sql": "no weights"}, {}):
        watch.look()
    assert names(said)[2:] == ["sql is missing:", "sql is up"]
    assert "no weights" in said[2]


def test_a_start_waits_until_each_is_up_or_known_to_be_missing(
    stack: Stack, watch: ModelWatch
) -> None:
    """A model that fails does not keep it waiting."""
    stack.missing = {"sql": "no weights"}
    assert watch.until_settled(100) == {"sql": "no weights"}


def test_a_start_does_not_wait_forever(stack: Stack, watch: ModelWatch, clock: FakeClock) -> None:
    """What is still starting then is missing so far."""
    stack.missing = {"sql": f"{STARTING}: slowly"}
    assert watch.until_settled(10) == stack.missing
    assert clock.now >= 10


def test_what_lacks_a_gpu_is_missing(stack: Stack, watch: ModelWatch, said: list[str]) -> None:
    """Serve would wait for one, and tell no reason."""
    stack.missing = {"big": STARTING}
    stack.lacking_gpus = {"big": "it asks for 2 GPUs"}
    watch.until_settled(100)
    assert "big is missing: it asks for 2 GPUs" in said


def test_what_failed_tries_again_less_and_less_often(
    stack: Stack, watch: ModelWatch, clock: FakeClock
) -> None:
    """Until it is there."""
    stack.down = ["model-big"]
    tries = []
    for _ in range(100):
        watch.look()
        if len(stack.deployed_again) > len(tries):
            tries.append(clock.now)
        clock.advance(1)
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert len(waits) >= 2
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]
    stack.down = []
    clock.advance(1000)
    watch.look()
    assert len(stack.deployed_again) == len(tries)


def test_serve_is_asked_seldom_while_nothing_is_missing(
    stack: Stack, watch: ModelWatch, clock: FakeClock
) -> None:
    """A change may have failed behind models that answer; each time costs as much as answers."""
    for _ in range(60):
        watch.look()
        clock.advance(1)
    assert stack.asked == 6
    stack.missing = {"big": "no weights"}
    for _ in range(3):
        watch.look()
    assert stack.asked == 9


def test_a_gateway_that_does_not_answer_tells_nothing(
    watch: ModelWatch, stack: Stack, said: list[str]
) -> None:
    """Nobody is known to be up, nor missing."""
    stack.url = "http://127.0.0.1:1"
    assert missing_models(stack.url) is None
    assert watch.look() is None
    assert said == []
