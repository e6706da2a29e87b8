"""The limiter: who is handed on, who waits and who is refused, on a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from deployments.limiter import USUAL_SLOTS, Limiter
from deployments.protocol import ModelRequest, Overloaded
from deployments.spec import Limits, ModelSpec
from tests.fakes import FakeClock
from tests.model_requests import chat

MODEL = "m"


def spec(name: str = MODEL, **limits: int) -> ModelSpec:
    return ModelSpec(name=name, model="tiny", engine="fake", limits=Limits(**limits))


def asked(max_wait: float | None = 10.0, deadline: float | None = None) -> ModelRequest:
    return replace(chat(model=MODEL), max_wait_seconds=max_wait, deadline_seconds=deadline)


ASKED = asked()


class Clients:
    """Requests, each of which keeps its slot until it is told to end."""

    def __init__(self, *specs: ModelSpec, slots: int | None = None, keeps_queue: bool = True):
        self.clock = FakeClock(100.0)
        self.limiter = Limiter(specs or [spec()], keeps_queue=keeps_queue, clock=self.clock)
        self.running: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []
        if slots is not None:
            self.limiter.told(slots, {})

    async def come(self, count: int, request: ModelRequest = ASKED) -> list[asyncio.Task[None]]:
        """So many more."""
        tasks = [asyncio.create_task(self._stay(request)) for _ in range(count)]
        self.tasks += tasks
        await settled()
        return tasks

    async def end(self, count: int = 1) -> None:
        """The first of those that have a slot."""
        for _ in range(count):
            self.running.pop(0).set()
        await settled()

    async def _stay(self, request: ModelRequest) -> None:
        async with self.limiter.slot(request):
            end = asyncio.Event()
            self.running.append(end)
            await end.wait()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def clients(
    *specs: ModelSpec, slots: int | None = None, keeps_queue: bool = True
) -> AsyncIterator[Clients]:
    """Clients who all leave in the end."""
    found = Clients(*specs, slots=slots, keeps_queue=keeps_queue)
    yield found
    for task in found.tasks:
        task.cancel()
    await asyncio.gather(*found.tasks, return_exceptions=True)


async def refused(those: Clients, request: ModelRequest = ASKED) -> Overloaded:
    with pytest.raises(Overloaded) as found:
        async with those.limiter.slot(request):
            pass
    return found.value


async def test_twice_as_many_as_the_slots_are_handed_on():
    """So that no slot waits for its next request; the others wait here."""
    async with clients(slots=4) as those:
        await those.come(11)

        assert (len(those.running), those.limiter.queued(MODEL)) == (8, 3)
        await those.end(2)
        assert (len(those.running), those.limiter.queued(MODEL)) == (8, 1)


async def test_more_slots_take_those_that_wait():
    """A replica came up."""
    async with clients(slots=1) as those:
        await those.come(4)
        assert those.limiter.queued(MODEL) == 2
        those.limiter.told(8, {MODEL: 2})
        await settled()

        assert (len(those.running), those.limiter.queued(MODEL)) == (4, 0)


async def test_without_a_word_of_the_replicas_a_usual_number_is_handed_on():
    """As to a server that says nothing about itself."""
    async with clients() as those:
        await those.come(USUAL_SLOTS + 1)

        assert (len(those.running), those.limiter.queued(MODEL)) == (USUAL_SLOTS, 1)


async def test_who_would_wait_too_long_is_refused_at_once():
    """It is told why, and when there is room again."""
    async with clients(slots=4) as those:
        await those.come(44)
        error = await refused(those)

        assert (error.model, error.queued, error.cause) == (MODEL, 36, "wait")
        assert 0 < error.retry_after_seconds <= 1


async def test_who_comes_again_when_told_is_taken():
    """The next one is told a later time."""
    async with clients(slots=4) as those:
        await those.come(44)
        first, second = await refused(those), await refused(those)
        await those.end()
        await those.come(1)

        assert second.retry_after_seconds > first.retry_after_seconds
        assert len(those.running) + those.limiter.queued(MODEL) == 44


async def test_slow_answers_leave_room_for_fewer():
    """The wait counts, and not the number."""
    async with clients(slots=4) as those:
        await those.come(8)
        those.clock.now += 60.0
        await those.end(4)
        error = await refused(those)

        assert (error.queued, error.cause) == (0, "wait")
        assert len(those.running) == 4


async def test_a_deadline_that_would_pass_is_a_refusal():
    """The work would be for nothing."""
    async with clients(slots=1) as those:
        await those.come(4)

        assert (await refused(those, asked(deadline=2.0))).cause == "deadline"
        await those.come(1, asked(deadline=30.0))
        assert those.limiter.queued(MODEL) == 3


async def test_what_must_not_wait_takes_only_a_free_slot():
    """Comparisons, and work that is in no hurry."""
    async with clients(slots=2) as those:
        await those.come(1, asked(max_wait=0.0))
        await those.come(1)

        assert len(those.running) == 2
        assert (await refused(those, asked(max_wait=0.0))).cause == "wait"


async def test_what_must_not_wait_delays_nobody_who_comes_again():
    """However often it is refused."""
    async with clients(slots=4) as those:
        await those.come(44)
        for _ in range(20):
            await refused(those, asked(max_wait=0.0))

        assert (await refused(those)).retry_after_seconds <= 1.0


async def test_a_flood_delays_the_other_clients_by_one_of_its_requests():
    """In turn, and by the wait that each expects: the flood is refused before they are."""
    async with clients(slots=1) as those:
        those.limiter.told(1, {})
        flood, other = replace(ASKED, client="flood"), replace(ASKED, client="other")
        await those.come(12, flood)
        [polite] = await those.come(1, other)
        wait = replace(other, max_wait_seconds=4.0)
        await refused(those, replace(flood, max_wait_seconds=4.0))
        [another] = await those.come(1, replace(wait, client="another"))

        await those.end(2)

        assert len(those.running) == 2
        assert not polite.done()
        assert not another.done()
        await those.end(2)
        assert polite.done()


async def test_who_has_less_than_its_share_is_handed_on_beside_a_flood():
    """To take turns for the engine's slots. There is room for as many as slots, and no more."""
    async with clients(slots=4) as those:
        await those.come(12, replace(ASKED, client="flood"))
        assert (len(those.running), those.limiter.queued(MODEL)) == (8, 4)
        await those.come(3, replace(ASKED, client="a"))  # its share is two
        assert (len(those.running), those.limiter.queued(MODEL)) == (10, 5)
        for client in ("b", "c", "d"):
            await those.come(1, replace(ASKED, client=client))

        assert (len(those.running), those.limiter.queued(MODEL)) == (12, 6)
        await those.end(4)  # of the flood, which is handed on no sooner
        assert (len(those.running), those.limiter.queued(MODEL)) == (8, 6)


async def test_who_waits_is_not_overtaken_by_its_own_next_request():
    """When one that was handed on has ended."""
    async with clients(slots=4) as those:
        await those.come(12, replace(ASKED, client="flood"))
        await those.come(3, replace(ASKED, client="a"))
        those.running.pop(8).set()
        await settled()
        await those.come(1, replace(ASKED, client="a"))

        assert (len(those.running), those.limiter.queued(MODEL)) == (9, 6)


async def test_a_limit_in_numbers_holds_beside_a_flood():
    """It may be what the server can take."""
    async with clients(spec(max_ongoing_requests=2), slots=2) as those:
        await those.come(2, replace(ASKED, client="flood"))
        await those.come(1, replace(ASKED, client="a"))

        assert (len(those.running), those.limiter.queued(MODEL)) == (2, 1)


async def test_who_leaves_the_queue_makes_room():
    """Whoever hangs up counts no more, and nobody is handed on in its place."""
    async with clients(spec(max_ongoing_requests=1)) as those:
        _, gone, last = await those.come(3)
        gone.cancel()
        await settled()

        assert (len(those.running), those.limiter.queued(MODEL)) == (1, 1)
        await those.end()
        assert len(those.running) == 1
        assert not last.done()


async def test_a_slot_that_comes_together_with_the_hang_up_goes_on():
    """It is not lost."""
    async with clients(spec(max_ongoing_requests=1)) as those:
        _, gone, _ = await those.come(3)
        those.running.pop().set()
        await asyncio.sleep(0)
        gone.cancel()
        await settled()

        assert (len(those.running), those.limiter.queued(MODEL)) == (1, 0)


async def test_a_full_queue_refuses_also_a_short_wait():
    """Where the operator says how many may wait."""
    async with clients(spec(max_ongoing_requests=1, max_queued_requests=2), slots=8) as those:
        await those.come(3)
        error = await refused(those)

        assert (error.queued, error.cause) == (2, "queue")
        assert error.retry_after_seconds > 0


async def test_where_another_keeps_the_queue_all_are_handed_on():
    """Ray Serve's handle does, for models that scale by load; too long a wait is refused here."""
    async with clients(slots=4, keeps_queue=False) as those:
        await those.come(44)

        assert (len(those.running), those.limiter.queued(MODEL)) == (44, 0)
        assert (await refused(those)).cause == "wait"


async def test_where_the_replicas_sleep_nobody_is_refused():
    """The first requests wake them."""
    async with clients(slots=0, keeps_queue=False) as those:
        await those.come(500)

        assert len(those.running) == 500


async def test_news_are_wanted_while_requests_wait():
    """Others may fill the slots as well."""
    async with clients(slots=1) as those:
        await those.come(1)
        those.clock.now += 1.0
        assert not those.limiter.wants_news
        await those.come(1)
        assert those.limiter.wants_news
        those.limiter.told(1, {MODEL: 5})

        assert not those.limiter.wants_news
        assert those.limiter.expected_wait(MODEL) > 5.0
