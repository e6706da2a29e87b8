"""From which traffic on a specialist costs no more than leaving its domain to the generalist.

A specialist needs replicas that stand ready; the generalist can do with fewer for what it is
spared. Replicas are whole, so the costs go in steps, and the point is the last one at which the
specialist is more expensive. All other traffic stays as it is planned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lab.planning.fleet import Demand, Machine, generalist, parts, shares_of, work_of
from lab.planning.measurements import Measurements, Work
from lab.planning.queue import Limits, replicas_needed

_HOUR = 3600.0
_GRID, _STEPS = 400, 40
_BEYOND = 30.0
"""How far beyond the first guess is looked: there the steps no longer decide."""


@dataclass(frozen=True)
class BreakEven:
    """One specialist beside the generalist.

    Attributes:
        model: the specialist.
        now: requests per second of its domain that the router gives it, as planned.
        from_rate: requests per second from which on it costs no more; None: never.
        own, others: what a request costs at the specialist and at the generalist, both as busy as
            they may be.
    """

    model: str
    now: float
    from_rate: float | None
    own: float
    others: float

    @property
    def pays(self) -> bool:
        """Whether it does at the planned traffic."""
        return self.from_rate is not None and self.now >= self.from_rate


def break_even(
    machine: Machine,
    rates: Mapping[str, float],
    machines: Sequence[Machine],
    known: tuple[Measurements, Limits],
) -> BreakEven:
    """Where a specialist begins to pay.

    Args:
        machine: the specialist.
        rates: requests per second by domain, as planned.
        machines: all models.
        known: what was measured, and when replicas are enough.
    """
    measured, limits = known
    domain, large = str(machine.domain), generalist(machines)
    now = rates.get(domain, 0.0) * shares_of(domain, machines, measured).get(machine.name, 0.0)
    here, there = (work_of(measured, domain, of.name) for of in (machine, large))
    own, others = (
        work.seconds_each * of.per_hour / _HOUR / limits.max_utilization
        for work, of in ((here, machine), (there, large))
    )
    rest = parts(rates, machines, measured)[large.name]
    kept = _per_hour(large, rest, limits)

    def more_expensive(rate: float) -> bool:
        routed = _per_hour(machine, [(rate, here)], limits)
        whole = _per_hour(large, [*rest, (rate, there)], limits)
        return kept + routed > whole + 1e-12

    if own >= others:
        return BreakEven(machine.name, now, None, own, others)
    guess = max(machine.min_replicas, 1) * machine.per_hour / _HOUR / (others - own)
    grid = [guess * _BEYOND * (place + 1) / _GRID for place in range(_GRID)]
    return BreakEven(machine.name, now, lowest_rate(more_expensive, grid), own, others)


def lowest_rate(more_expensive: Callable[[float], bool], grid: Sequence[float]) -> float | None:
    """The rate from which on it is never more expensive; None where it still is at the highest.

    Args:
        more_expensive: whether it is, at a rate.
        grid: rising rates to try; between two of them the exact one is searched.
    """
    last = max((place for place, rate in enumerate(grid) if more_expensive(rate)), default=-1)
    if last == len(grid) - 1:
        return None
    low, high = (0.0 if last < 0 else grid[last]), grid[last + 1]
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if more_expensive(middle) else (low, middle)
    return high


def _per_hour(of: Machine, parts: Sequence[tuple[float, Work]], limits: Limits) -> float:
    demand = Demand.of(parts)
    needed = replicas_needed(demand.rate, demand.seconds, limits)
    return max(of.min_replicas, int(needed)) * of.per_hour
