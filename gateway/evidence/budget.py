"""What comparisons may use per day (UTC), counted over all gateways.

Rule: nothing is begun once the limit is reached; what has begun may pass it by its own use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.evidence.clerk import Clerk
from gateway.evidence.store import Spent


@dataclass(frozen=True)
class Budget:
    """The limits, and what was used of them.

    Attributes:
        tokens_per_day: of shadow answers and of the judge.
        cost_per_day: the same in currency units; None: no limit.
        wall_clock: Unix time in seconds.
    """

    clerk: Clerk
    tokens_per_day: int
    cost_per_day: float | None
    wall_clock: Callable[[], float]

    async def today(self) -> Spent:
        """What was used today.

        Raises:
            StoreError: the store cannot be used.
        """
        day = self._day()
        return await self.clerk.do(lambda store: store.spent(day))

    async def spend(self, tokens: int, cost: float) -> None:
        """Counts what was used.

        Raises:
            StoreError: the store cannot be used.
        """
        day = self._day()
        await self.clerk.do(lambda store: store.spend(day, tokens, cost))

    def is_spent(self, used: Spent) -> bool:
        """Whether nothing more may be begun."""
        return used.tokens >= self.tokens_per_day or (
            self.cost_per_day is not None and used.cost >= self.cost_per_day
        )

    def used_ratios(self, used: Spent) -> dict[str, float]:
        """The part of each limit that is used; 1 of a limit of nothing."""
        limits: dict[str, tuple[float, float]] = {"tokens": (used.tokens, self.tokens_per_day)}
        if self.cost_per_day is not None:
            limits["cost"] = (used.cost, self.cost_per_day)
        return {name: part / limit if limit else 1.0 for name, (part, limit) in limits.items()}

    def _day(self) -> str:
        return datetime.fromtimestamp(self.wall_clock(), UTC).date().isoformat()
