"""Whether another process still answers, for those who look now and then."""

import asyncio
from collections.abc import Awaitable, Callable


class Heartbeat:
    """Asks one question at a time; the next one when somebody looks and the last was answered.

    Args:
        ask: the question; what it returns or raises is an answer.
    """

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0.0

    def waiting_seconds(self) -> float:
        """How long the open question has waited for its answer; 0 when a new one is asked."""
        now = asyncio.get_running_loop().time()
        if self._asking is None or self._asking.done():
            self._asked_at = now
            self._asking = asyncio.create_task(self._answered())
        return now - self._asked_at

    def stop(self) -> None:
        """Waits for no answer any more."""
        if self._asking is not None:
            self._asking.cancel()

    async def _answered(self) -> None:
        try:
            await self._ask()
        except Exception:  # noqa: BLE001 - who refuses lives; who is dead says so elsewhere
            return
