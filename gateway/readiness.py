"""Which models can answer: asked again and again, one question per model at a time.

`/readyz` shows the last verdicts. Routing passes over a model that said itself that it cannot
answer, so that no request has to find that out; one that merely was slow to say is still asked.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from deployments.protocol import Backend, Unavailable

__all__ = ["Readiness"]

_log = logging.getLogger("gateway.readiness")


class Readiness:
    """The verdicts of one gateway process.

    Args:
        backends: the models by name.
        clock: monotonic seconds.
        timeout_seconds: how long a model may take to say how it is.
        interval_seconds: how old a verdict may get.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend],
        clock: Callable[[], float],
        timeout_seconds: float,
        interval_seconds: float,
    ) -> None:
        self._backends, self._clock = backends, clock
        self._timeout, self._interval = timeout_seconds, interval_seconds
        self._asking = asyncio.Lock()
        self._good_until = float("-inf")
        self._failing: dict[str, str] = {}
        self._down: frozenset[str] = frozenset()

    def down(self, model: str) -> bool:
        """Whether the model said, when last asked, that it cannot answer. From any thread."""
        return model in self._down

    async def failing(self) -> dict[str, str]:
        """The models that do not answer well, and why; asks them if that is long ago."""
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
        """A model that comes back is noticed sooner than one that goes."""
        return self._interval / 4 if self._failing else self._interval

    async def _ask_all(self) -> None:
        verdicts = await asyncio.gather(*map(self._ask, self._backends.values()))
        named = list(zip(self._backends, verdicts, strict=True))
        down = frozenset(name for name, (_, is_down) in named if is_down)
        if down != self._down:
            _log.warning("models that cannot answer: %s", ", ".join(sorted(down)) or "none")
        self._down = down
        self._failing = {name: why for name, (why, _) in named if why is not None}

    async def _ask(self, backend: Backend) -> tuple[str | None, bool]:
        """What is wrong with a model, if anything, and whether it said so itself."""
        try:
            async with asyncio.timeout(self._timeout):
                await backend.health()
        except TimeoutError:
            return f"no answer within {self._timeout:g} s", False
        except Unavailable as error:
            return error.reason, True
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the model is not ready
            return type(error).__name__, False
        return None, False
