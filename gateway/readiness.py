"""Polls the health of every model, one check per model at a time, and of the classifier if it is a
separate deployment.

`/readyz` and `/v1/models` show the last results. Routing skips a model that reported itself
unavailable; a model whose health check timed out still gets requests.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from deployments.protocol import Unavailable

_log = logging.getLogger("gateway.readiness")


Check = Callable[[], Awaitable[None]]
"""A health check: returns if a part can answer, else raises `Unavailable`."""


class Readiness:
    """The health checks of one gateway process.

    Args:
        checks: of the models and other parts that requests need, by name.
        clock: monotonic seconds.
        timeout_seconds: how long a health check may take.
        interval_seconds: the maximum age of a result.
        on_verdict: called for every part after each check: its name, and whether it can answer.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        clock: Callable[[], float],
        timeout_seconds: float,
        interval_seconds: float,
        on_verdict: Callable[[str, bool], object],
    ) -> None:
        self._checks, self._clock = checks, clock
        self._timeout, self._interval = timeout_seconds, interval_seconds
        self._on_verdict = on_verdict
        self._asking = asyncio.Lock()
        self._good_until = float("-inf")
        self._failing: dict[str, str] = {}
        self._down: frozenset[str] = frozenset()

    def down(self, model: str) -> bool:
        """Whether the model reported itself unavailable at its last health check."""
        return model in self._down

    def reason(self, name: str) -> str | None:
        """Why a part failed its last health check; None if it passed."""
        return self._failing.get(name)

    async def failing(self) -> dict[str, str]:
        """The parts that fail their health check, and why; checks again if the results are old."""
        async with self._asking:
            if self._clock() >= self._good_until:
                await self._ask_all()
                self._good_until = self._clock() + self._pause
        return self._failing

    async def keep_asking(self) -> None:
        """Checks health until it is cancelled."""
        while True:
            try:
                await self.failing()
            except Exception:  # noqa: BLE001 - must go on, or routing keeps its last verdicts
                _log.exception("asking the models' health failed; will retry")
            await asyncio.sleep(self._pause)

    @property
    def _pause(self) -> float:
        """The time to the next check; shorter while a part is down, to notice a recovery soon."""
        return self._interval / 4 if self._failing else self._interval

    async def _ask_all(self) -> None:
        verdicts = await asyncio.gather(*map(self._ask, self._checks.values()))
        named = list(zip(self._checks, verdicts, strict=True))
        down = frozenset(name for name, (_, is_down) in named if is_down)
        if down != self._down:
            _log.warning("parts that cannot answer: %s", ", ".join(sorted(down)) or "none")
        self._down = down
        self._failing = {name: why for name, (why, _) in named if why is not None}
        for name in self._checks:
            self._on_verdict(name, name not in self._failing)

    async def _ask(self, check: Check) -> tuple[str | None, bool]:
        """A part's failure, if any, and whether the part reported it itself."""
        try:
            async with asyncio.timeout(self._timeout):
                await check()
        except TimeoutError:
            return f"no answer within {self._timeout:g} s", False
        except Unavailable as error:
            return error.reason, True
        except Exception as error:  # noqa: BLE001 - any failure means that it is not ready
            return type(error).__name__, False
        return None, False
