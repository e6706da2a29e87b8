"""The interface of the store of answers that later requests refer to.

Rule: a caller sees its own answers alone and has room of its own, in which the newest stay. Whoever
can read the store can read what was said.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer, and the conversation that it ends, both as JSON."""

    answer: bytes
    items: bytes

    @property
    def size(self) -> int:
        """What it takes of its caller's room, in bytes."""
        return len(self.answer) + len(self.items)


class ResponseStore(Protocol):
    """Every method but `close` raises `StoreError` when the store cannot be used."""

    async def save(self, caller: str, response_id: str, stored: StoredResponse) -> None:
        """Stores an answer, and drops what is too old or has no room any more. One that is larger
        than all the room is not kept."""

    async def answers(self, caller: str, response_ids: Collection[str]) -> dict[str, bytes]:
        """The answers to this caller by their ids, without those that are unknown, another's or
        forgotten."""

    async def conversation(self, caller: str, response_id: str) -> bytes | None:
        """The conversation that an answer to this caller ends; None: as for `answers`."""

    async def delete(self, caller: str, response_id: str) -> bool:
        """Forgets an answer to this caller; whether there was one."""

    async def close(self) -> None:
        """Closes the store."""
