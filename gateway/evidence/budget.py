"""What is bounded per day (UTC), over all gateways: the budget of comparisons, and what one
grader's key adds to the evidence.

Rule: no comparison starts once a limit is reached; a running one may exceed it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.evidence.store import DailyUsage, GraderShare, StoreExecutor

_DAY = 86_400


@dataclass(frozen=True)
class Budget:
    """The daily limits and their use.

    Attributes:
        max_tokens_per_day: for shadow answers and the judge.
        max_cost_per_day: the same, in currency units; None: no limit.
        wall_clock: Unix time in seconds.
    """

    executor: StoreExecutor
    max_tokens_per_day: int
    max_cost_per_day: float | None
    wall_clock: Callable[[], float]

    async def today(self) -> DailyUsage:
        """Today's usage.

        Raises:
            StoreError: the store cannot be used.
        """
        day = self._day()
        return await self.executor.run(lambda store: store.spent(day))

    async def spend(self, tokens: int, cost: float) -> None:
        """Adds to today's usage.

        Raises:
            StoreError: the store cannot be used.
        """
        day = self._day()
        await self.executor.run(lambda store: store.spend(day, tokens, cost))

    def is_spent(self, used: DailyUsage) -> bool:
        """Whether a limit is reached, so that no comparison may start."""
        return used.tokens >= self.max_tokens_per_day or (
            self.max_cost_per_day is not None and used.cost >= self.max_cost_per_day
        )

    def used_ratios(self, used: DailyUsage) -> dict[str, float]:
        """The used fraction of each limit; 1 for a limit of zero."""
        limits: dict[str, tuple[float, float]] = {"tokens": (used.tokens, self.max_tokens_per_day)}
        if self.max_cost_per_day is not None:
            limits["cost"] = (used.cost, self.max_cost_per_day)
        return {name: part / limit if limit else 1.0 for name, (part, limit) in limits.items()}

    def _day(self) -> str:
        return _day(self.wall_clock())


@dataclass(frozen=True)
class GraderLimit:
    """How many pairs of a specialist one grader's key may have graded per day.

    Attributes:
        max_pairs_per_day: operators have no limit: they can say themselves what a state is to be.
        wall_clock: Unix time in seconds.
    """

    max_pairs_per_day: int
    wall_clock: Callable[[], float]

    def share(self, grader: str | None) -> GraderShare | None:
        """What a grader has of today; None: an operator, who needs none."""
        if grader is None:
            return None
        return GraderShare(grader, _day(self.wall_clock()), self.max_pairs_per_day)

    def seconds_left(self) -> int:
        """Whole seconds until the next day."""
        return _DAY - int(self.wall_clock()) % _DAY


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).date().isoformat()
