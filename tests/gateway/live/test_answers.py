"""Who answered, written down in batches by many at once."""

import asyncio
import threading

from gateway.live.answers import Answers
from gateway.live.clerk import Clerk
from gateway.live.sqlite_store import SqliteStore


class SlowStore(SqliteStore):
    """Writes answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.gate = threading.Event()

    def remember(self, answers) -> None:
        self.gate.wait(5)
        super().remember(answers)


async def test_an_answer_that_comes_while_others_are_written_is_kept() -> None:
    """Two write the same batch at once; neither fails, nor takes what only came then."""
    store = SlowStore()
    clerk = Clerk(store)
    answers = Answers(clerk, lambda: 0.0, 60)
    answers.add("r1", "big")
    writing = [asyncio.create_task(answers.write()) for _ in range(2)]
    await asyncio.sleep(0)
    answers.add("r2", "big")

    store.gate.set()
    await asyncio.gather(*writing)

    assert [await answers.model_of(name) for name in ("r1", "r2")] == ["big", "big"]
    clerk.close()
