"""The newest of what a producer says: for outputs that each contain those before."""

import asyncio
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """Holds one value, the last that was put; a reader that is slow skips what lies between."""

    def __init__(self) -> None:
        self._filled = asyncio.Event()
        self._value: _T | None = None

    def put(self, value: _T) -> None:
        """Replaces the value; on the event loop's thread."""
        self._value = value
        self._filled.set()

    async def take(self) -> _T:
        """The newest value that was not taken yet."""
        await self._filled.wait()
        self._filled.clear()
        value, self._value = self._value, None
        assert value is not None  # the event is set only by `put`
        return value
