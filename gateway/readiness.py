"""Which models can answer: asked again and again, one question per model at a time.

So is the classifier, where it is a deployment of its own. `/readyz` shows the last verdicts.
Routing passes over a model that said itself that it cannot answer, so that no request has to find
that out; one that merely was slow to say is still asked.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from deployments.protocol import Unavailable

_log = logging.getLogger("gateway.readiness")


class Part(Protocol):
    """What can be asked how it is: every `Backend` is one."""

    async def health(self) -> None:
        """Returns when it can answer, else raises `Unavailable`."""


class Readiness:
    """The verdicts of one gateway process.

    Args:
        parts: the models, and what else requests need, by name.
        clock: monotonic seconds.
        timeout_seconds: how long a model may take to say how it is.
        interval_seconds: how old a verdict may get.
        on_verdict: told of every part, each time, whether it can answer.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        clock: Callable[[], float],
        timeout_seconds: float,
        interval_seconds: float,
        on_verdict: Callable[[str, bool], object],
    ) -> None:
        self._parts, self._clock = parts, clock
        self._timeout, self._interval = timeout_seconds, interval_seconds
        self._on_verdict = on_verdict
        self._asking = asyncio.Lock()
        self._good_until = float("-inf")
        self._failing: dict[str, str] = {}
        self._down: frozenset[str] = frozenset()

    def down(self, model: str) -> bool:
        """Whether the model said, when last asked, that it cannot answer."""
        return model in self._down

    async def failing(self) -> dict[str, str]:
        """Those that do not answer well, and why; asks them if that is long ago."""
        async with self._asking:
            if self._clock() >= self._good_until:
                await self._ask_all()
                self._good_until = self._clock() + self._pause
        return self._failing

    async def keep_asking(self) -> None:
        """Asks for ever; for a task that is cancelled at the end."""
        while True:
            await self.failing()
            await asyncio.sleep(self._pause)

    @property
    def _pause(self) -> float:
        """One that comes back is noticed sooner than one that goes."""
        return self._interval / 4 if self._failing else self._interval

    async def _ask_all(self) -> None:
        verdicts = await asyncio.gather(*map(self._ask, self._parts.values()))
        named = list(zip(self._parts, verdicts, strict=True))
        down = frozenset(name for name, (_, is_down) in named if is_down)
        if down != self._down:
            _log.warning("parts that cannot answer: %s", ", ".join(sorted(down)) or "none")
        self._down = down
        self._failing = {name: why for name, (why, _) in named if why is not None}
        for name in self._parts:
            self._on_verdict(name, name not in self._failing)

    async def _ask(self, part: Part) -> tuple[str | None, bool]:
        """What is wrong with a part, if anything, and whether it said so itself."""
        try:
            async with asyncio.timeout(self._timeout):
                await part.health()
        except TimeoutError:
            return f"no answer within {self._timeout:g} s", False
        except Unavailable as error:
            return error.reason, True
        except Exception as error:  # noqa: BLE001 - whatever is wrong, it is not ready
            return type(error).__name__, False
        return None, False
