"""The gateway's way to its store: one thread that does one thing after the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.evidence.store import Store

Result = TypeVar("Result")


class Clerk:
    """Calls a store away from the event loop.

    Args:
        store: closed with the clerk.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evidence-store")

    async def do(self, task: Callable[[Store], Result]) -> Result:
        """What the task returns.

        Raises:
            StoreError: the store cannot be used.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, task, self._store)

    def close(self) -> None:
        """Returns when everything is done."""
        self._thread.shutdown()
        self._store.close()
