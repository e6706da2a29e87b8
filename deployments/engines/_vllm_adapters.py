"""The adapters of a running vLLM: they come while it answers, and go after their last request.
Without importing it.

Rule: no name is used twice, since vLLM finds the prompts that an adapter has read by its name.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol

from deployments.models.adapters import Adapter
from deployments.models.errors import ModelError, UnusableModels

BASE = "base"
"""What the process calls the base; no adapter's name is without a number."""


@dataclass(frozen=True)
class Room:
    """What a process keeps for adapters, from its start to its end.

    Attributes:
        places: for how many at once.
        places_key: the engine option that says so.
        rank: the largest.
    """

    places: int
    places_key: str
    rank: int

    def require_ranks(self, wanted: Mapping[str, Adapter | None]) -> None:
        """Raises `UnusableModels` if the ranks of some models' adapters are too large, and
        `ModelError` if one does not tell it."""
        ranks = {model: adapter.rank() for model, adapter in wanted.items() if adapter}
        reasons = {
            model: f"engine_options.max_lora_rank: the adapter of {model!r} has rank {rank}, and "
            f"its process has room for {self.rank}; give all models of the pool {rank} or more, "
            "which takes another process"
            for model, rank in ranks.items()
            if rank > self.rank
        }
        if reasons:
            raise UnusableModels(reasons)

    def require_places(self, number: int) -> None:
        """Raises `ValueError` if there are not so many places."""
        if number > self.places:
            raise ValueError(
                f"engine_options.{self.places_key}: the process would hold {number} adapters, and "
                f"has places for {self.places}; change it in all models of the pool, which takes "
                "another process"
            )


class Host(Protocol):
    """A process that takes adapters."""

    async def load_adapter(self, name: str, path: Path) -> None:
        """Raises `ModelError` if it cannot be used."""

    async def unload_adapter(self, name: str) -> None:
        """Frees its place."""


class Served:
    """The base, or it with an adapter, in the process.

    Attributes:
        name: what the process calls it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keeps it there while the block lasts."""
        self._requests += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self._idle.set()

    async def idle(self) -> None:
        """Returns when nobody uses it."""
        await self._idle.wait()


_Content = tuple[Path, str]


def _content(adapter: Adapter) -> _Content:
    """What tells an adapter from others, and from what was in its place before."""
    return adapter.path, adapter.sha256


class Adapters:
    """The adapters of one process.

    Args:
        host: the process.
        room: that it keeps for them.
    """

    def __init__(self, host: Host, room: Room) -> None:
        self._host, self._room, self._base = host, room, Served(BASE)
        self._served: dict[_Content, Served] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._numbers = count(1)

    async def follow(self, wanted: Mapping[str, Adapter | None]) -> Mapping[str, Served]:
        """Loads what is new, and lets go what no model wants any more.

        Args:
            wanted: the adapter of each model; None: the bare base.

        Raises:
            ValueError: there are too many; all is as before.
            UnusableModels: some do not fit, or cannot be used; all is as before.
        """
        adapters = {_content(adapter): adapter for adapter in wanted.values() if adapter}
        new = {content: of for content, of in adapters.items() if content not in self._served}
        self._room.require_ranks(wanted)
        self._room.require_places(len(new) + len(self._served) + len(self._leaving))
        served = self._served | await self._loaded(new, wanted)
        self._let_go(served[content] for content in served.keys() - adapters.keys())
        self._served = {content: served[content] for content in adapters}
        return {
            model: self._served[_content(adapter)] if adapter else self._base
            for model, adapter in wanted.items()
        }

    async def _loaded(
        self, new: Mapping[_Content, Adapter], wanted: Mapping[str, Adapter | None]
    ) -> dict[_Content, Served]:
        """All of the new ones; or none, and an error that names the models of those at fault."""
        loaded: dict[_Content, Served] = {}
        faults: dict[_Content, str] = {}
        try:
            for content, adapter in new.items():
                name = f"{adapter.niche}-{next(self._numbers)}"
                try:
                    await self._host.load_adapter(name, adapter.path)
                    loaded[content] = Served(name)
                except ModelError as error:
                    faults[content] = str(error)
        except BaseException:
            self._let_go(loaded.values())
            raise
        if faults:
            self._let_go(loaded.values())
            contents = {model: _content(of) for model, of in wanted.items() if of}
            raise UnusableModels(
                {model: faults[of] for model, of in contents.items() if of in faults}
            )
        return loaded

    def stop(self) -> None:
        """Lets the rest go with the process."""
        for task in self._leaving:
            task.cancel()

    def _let_go(self, served: Iterable[Served]) -> None:
        for each in served:
            task = asyncio.create_task(self._unload(each))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _unload(self, served: Served) -> None:
        await served.idle()
        await self._host.unload_adapter(served.name)
