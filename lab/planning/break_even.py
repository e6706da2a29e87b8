"""The traffic above which a specialist costs no more than the generalist for its domain.

A specialist needs replicas of its own, or more of those of its pool; the generalist then needs
fewer. Replicas are whole numbers, so cost rises in steps, and the break-even point is the last rate
at which the specialist is more expensive. All other traffic stays as planned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lab.planning.fleet import (
    Machine,
    Parts,
    demand_of,
    generalist,
    parts,
    shares_of,
    sharing,
    work_of,
)
from lab.planning.measurements import Measurements
from lab.planning.queue import Limits, replicas_needed

_HOUR = 3600.0
_GRID, _STEPS = 400, 40
_BEYOND = 30.0
"""The search ends at this multiple of the first guess, where the steps no longer matter."""


@dataclass(frozen=True)
class BreakEven:
    """A specialist's break-even point against the generalist.

    Attributes:
        model: the specialist.
        now: requests per second of its domain that the router gives it, as planned.
        from_rate: the break-even point in requests per second; 0: it always costs less, as where
            the replicas of its pool are there without it; None: it never breaks even.
        own, others: the cost of a request at the specialist and at the generalist, both at the
            highest allowed utilization.
    """

    model: str
    now: float
    from_rate: float | None
    own: float
    others: float

    @property
    def pays(self) -> bool:
        """Whether the specialist costs no more than the generalist at the planned traffic."""
        return self.from_rate is not None and self.now >= self.from_rate


def break_even(
    machine: Machine,
    rates: Mapping[str, float],
    machines: Sequence[Machine],
    basis: tuple[Measurements, Limits],
) -> BreakEven:
    """Finds a specialist's break-even point.

    Args:
        machine: the specialist.
        rates: requests per second by domain, as planned.
        machines: all models.
        basis: the measurements and the limits.
    """
    measured, limits = basis
    domain, large = str(machine.domain), generalist(machines)
    now = rates.get(domain, 0.0) * shares_of(domain, machines, measured).get(machine.name, 0.0)
    here, there = (work_of(measured, domain, of.name) for of in (machine, large))
    own, others = (
        work.seconds_each * of.per_hour / _HOUR / limits.max_utilization
        for work, of in ((here, machine), (there, large))
    )
    planned = parts(rates, machines, measured)
    concerned = _with_their_pools((machine, large), machines)
    without = [of for of in concerned if of is not machine]

    def more_expensive(rate: float) -> bool:
        routed = planned | {machine.name: [(rate, here)]}
        whole = planned | {large.name: [*planned[large.name], (rate, there)]}
        return _per_hour(concerned, routed, limits) > _per_hour(without, whole, limits) + 1e-12

    if own >= others:
        # The replicas that both share are as many, whoever answers.
        same = own == others and machine.pool is not None and machine.pool == large.pool
        return BreakEven(machine.name, now, 0.0 if same else None, own, others)
    guess = max(machine.min_replicas, 1) * machine.per_hour / _HOUR / (others - own)
    grid = [guess * _BEYOND * (place + 1) / _GRID for place in range(_GRID)]
    return BreakEven(machine.name, now, lowest_rate(more_expensive, grid), own, others)


def lowest_rate(more_expensive: Callable[[float], bool], grid: Sequence[float]) -> float | None:
    """The lowest rate above which it is never more expensive; 0 if it never is, None if it still is
    at the highest rate.

    Args:
        more_expensive: whether it is more expensive at a rate.
        grid: rising rates to try; bisection between two of them finds the exact rate.
    """
    last = max((place for place, rate in enumerate(grid) if more_expensive(rate)), default=-1)
    if last == len(grid) - 1:
        return None
    low, high = (0.0 if last < 0 else grid[last]), grid[last + 1]
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if more_expensive(middle) else (low, middle)
    return high if low else 0.0


def _with_their_pools(some: Sequence[Machine], machines: Sequence[Machine]) -> list[Machine]:
    """Those whose deployments serve one of `some`."""
    wanted = {(of.pool, of.deployment) for of in some}
    return [of for of in machines if (of.pool, of.deployment) in wanted]


def _per_hour(machines: Sequence[Machine], loads: Parts, limits: Limits) -> float:
    """The cost of the deployments of these machines."""
    total = 0.0
    for group in sharing(machines):
        demand = demand_of(group, loads)
        needed = replicas_needed(demand.rate, demand.seconds, limits)
        total += max(group[0].min_replicas, int(needed)) * group[0].per_hour
    return total
