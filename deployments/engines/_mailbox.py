"""Hands over only a producer's newest output, for outputs that include all earlier ones."""

import asyncio
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """Holds the last value that was put; a slow reader skips earlier ones."""

    def __init__(self) -> None:
        self._filled = asyncio.Event()
        self._value: _T | None = None

    def put(self, value: _T) -> None:
        """Replaces the value; call it on the event loop's thread."""
        self._value = value
        self._filled.set()

    async def take(self) -> _T:
        """Waits for a new value and returns the newest."""
        await self._filled.wait()
        self._filled.clear()
        value, self._value = self._value, None
        assert value is not None  # the event is set only by `put`
        return value
