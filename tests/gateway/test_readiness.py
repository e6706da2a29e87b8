"""Readiness: verdicts are cached, shared, and passed to routing only when a model spoke itself."""

import asyncio
from functools import partial

from gateway.readiness import Readiness
from tests.fakes import FakeBackend, FakeClock


def readiness(clock, *backends, timeout=1.0, told=None):
    checks = {backend.name: partial(backend.health, backend.name) for backend in backends}
    verdicts = {} if told is None else told
    return Readiness(checks, clock, timeout, 2.0, verdicts.__setitem__)


async def test_a_model_that_says_it_cannot_answer_is_down_and_failing():
    """Its own word makes a model fail readiness and routing alike, until it says otherwise."""
    clock, ill = FakeClock(), FakeBackend("ill", illness="no replica")
    asked = readiness(clock, ill, FakeBackend("well"))

    assert await asked.failing() == {"ill": "no replica"}
    assert (asked.down("ill"), asked.down("well")) == (True, False)

    ill.illness = None
    clock.now += 3
    assert await asked.failing() == {}
    assert not asked.down("ill")


async def test_a_model_that_is_slow_to_say_is_not_down():
    """Silence fails readiness, and routing goes on: the model may merely be busy."""
    asked = readiness(FakeClock(), FakeBackend("slow", hangs=True), timeout=0.01)

    assert await asked.failing() == {"slow": "no answer within 0.01 s"}
    assert not asked.down("slow")


async def test_every_verdict_is_told():
    """Whoever counts hears of all parts, the well ones included."""
    told = {}
    slow = FakeBackend("slow", hangs=True)
    asked = readiness(FakeClock(), slow, FakeBackend("well"), timeout=0.01, told=told)

    await asked.failing()

    assert told == {"slow": False, "well": True}


async def test_verdicts_are_shared_while_they_are_fresh():
    """Many who ask at once cost one question per model."""
    backend = FakeBackend("ill", illness="gone")
    asked = readiness(FakeClock(), backend)
    await asyncio.gather(*(asked.failing() for _ in range(5)))
    backend.illness = None

    assert await asked.failing() == {"ill": "gone"}


async def test_health_is_asked_again_after_a_failure_of_its_own():
    """Whoever is told the verdicts may fail; else every model kept its last one for ever."""
    told, again = [], asyncio.Event()

    def tell(name, can):
        told.append((name, can))
        if len(told) == 1:
            raise KeyError(name)
        again.set()

    backend = FakeBackend("well")
    checks = {"well": partial(backend.health, "well")}
    asking = asyncio.create_task(Readiness(checks, FakeClock(), 1.0, 0.001, tell).keep_asking())
    async with asyncio.timeout(5):
        await again.wait()
    asking.cancel()

    assert told[1] == ("well", True)
