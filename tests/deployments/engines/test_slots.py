"""Slots: taken at once while there are some, then by the models in turn, and by their clients."""

import asyncio
from contextlib import suppress

import pytest

from deployments.engines._slots import Slots


class Queue:
    """Requests that take slots, in the order in which they get one."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.served: list[str] = []
        self.clients: list[str] = []
        self.numbers: list[int] = []
        self.ended = 0

    async def _take(self, model: str, client: str) -> None:
        self.numbers.append(await self.slots.take(model, client))
        self.served.append(model)
        self.clients.append(client)

    async def ask(self, *models: str, client: str = "") -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self._take(model, client)) for model in models]
        await asyncio.sleep(0)
        return tasks

    async def free(self, count: int = 1) -> None:
        """The oldest ones end."""
        for _ in range(count):
            await self.end(self.ended)
            self.ended += 1

    async def end(self, place: int) -> None:
        """The request that got its slot in this place ends."""
        self.slots.give_back(self.served[place], self.numbers[place])
        await asyncio.sleep(0)


@pytest.fixture
def queue() -> Queue:
    return Queue(Slots(1))


async def test_free_slots_are_taken_at_once(queue: Queue) -> None:
    """And the rest waits."""
    await queue.ask("a", "a", "b")

    assert queue.served == ["a"]
    assert (queue.slots.waiting("a"), queue.slots.waiting("b")) == (1, 1)


async def test_models_take_slots_in_turn(queue: Queue) -> None:
    """A crowd of one model holds another's request up by a single turn."""
    await queue.ask("a", "a", "a", "a", "b", "c")
    await queue.free(5)

    assert queue.served == ["a", "a", "b", "c", "a", "a"]
    assert queue.slots.waiting("a") == 0


async def test_clients_of_a_model_take_its_slots_in_turn(queue: Queue) -> None:
    """A flood of one client holds another's request up by what has a slot."""
    await queue.ask("a", "a", "a", "a", client="flood")
    await queue.ask("a", client="polite")
    await queue.free(4)

    assert queue.clients == ["flood", "flood", "polite", "flood", "flood"]


async def test_who_leaves_the_queue_takes_no_slot(queue: Queue) -> None:
    """The next one gets it."""
    _, leaving, _ = await queue.ask("a", "b", "c")
    leaving.cancel()
    await asyncio.sleep(0)
    await queue.free()

    assert queue.served == ["a", "c"]
    assert queue.slots.waiting("b") == 0


async def test_a_slot_that_comes_too_late_goes_on(queue: Queue) -> None:
    """Cancelled in the moment in which it gets the slot."""
    _, leaving, _ = await queue.ask("a", "b", "c")
    queue.slots.give_back("a", queue.numbers[0])
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    await asyncio.sleep(0)

    assert queue.served == ["a", "c"]


async def test_a_slot_that_is_free_right_after_a_cancellation_goes_on(queue: Queue) -> None:
    """Before the one that was cancelled could leave the queue."""
    _, leaving, _ = await queue.ask("a", "b", "c")
    leaving.cancel()
    await queue.free()

    assert queue.served == ["a", "c"]


async def test_a_crowd_does_not_keep_the_engine_from_another_model() -> None:
    """Where the other has a slot, the crowd gets one more, and then none until the other ended."""
    queue = Queue(Slots(3))
    await queue.ask("a", "a", "b", "a", "a", "a")
    assert queue.served == ["a", "a", "b"]
    await queue.free()
    assert queue.served == ["a", "a", "b", "a"]
    await queue.free()
    assert queue.served == ["a", "a", "b", "a"]
    await queue.free()
    assert queue.served == ["a", "a", "b", "a", "a", "a"]


async def test_a_crowd_waits_for_the_others_oldest_request() -> None:
    """Whichever of the other's requests end before it."""
    queue = Queue(Slots(4))
    await queue.ask("b", "a", "b", "a")
    assert queue.served == ["b", "a", "b"]
    await queue.end(2)
    assert queue.served == ["b", "a", "b"]
    await queue.end(0)
    assert queue.served == ["b", "a", "b", "a"]


async def test_slots_that_nobody_waits_for_are_kept(queue: Queue) -> None:
    """As many as were given back."""
    await queue.ask("a")
    await queue.free()
    await queue.ask("b", "c")

    assert queue.served == ["a", "b"]
