"""The cost of an arm's requests, by three definitions that are never mixed.

    list        tokens times price
    attributed  engine seconds times the price of the machine
    capacity the price of all replicas that the traffic needs, idle or not, divided by the requests

All functions return one value per bootstrap draw; the first is the figure itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lab.comparison.prices import ModelPrice
from lab.comparison.sample import Arm, Floats
from lab.planning.queue import Limits, replicas_needed
from lab.statistics.bootstrap import interval
from lab.statistics.interval import Interval

CostKind = Literal["list", "attributed", "capacity"]
COST_KINDS: tuple[CostKind, ...] = get_args(CostKind)

_LIMITS = Limits()
"""The limits for the number of replicas: the defaults of `niche plan`."""
_HOUR = 3600.0


@dataclass(frozen=True)
class Fleet:
    """The models that an arm needs, and the traffic they are provisioned for.

    Attributes:
        models: prices and replicas by model name.
        requests_per_hour: the traffic; None: unknown.
    """

    models: Mapping[str, ModelPrice]
    requests_per_hour: float | None = None


def cost(arm: Arm, kind: CostKind, fleet: Fleet, taken: NDArray[np.int64]) -> Interval | None:
    """The mean cost of a request in currency units; None if unknown.

    Args:
        arm: the arm.
        kind: the definition of cost.
        fleet: the models, for the capacity cost.
        taken: how often each draw takes each row, (draws, rows).
    """
    drawn = _drawn(arm, kind, fleet, taken, _known(arm, kind))
    return None if drawn is None else interval(drawn)


def relative_cost(
    first: tuple[Arm, Fleet], second: tuple[Arm, Fleet], kind: CostKind, taken: NDArray[np.int64]
) -> Interval | None:
    """The first arm's cost relative to the second's: -0.3 is 30 % less. None if unknown.

    Only prompts that both answered count: failed requests must not make an arm look cheap.
    """
    both = _known(first[0], kind) & _known(second[0], kind)
    drawn = [_drawn(arm, kind, fleet, taken, both) for arm, fleet in (first, second)]
    if drawn[0] is None or drawn[1] is None or not (drawn[1] > 0).all():
        return None
    return interval(drawn[0] / drawn[1] - 1)


def capacity_cost(arm: Arm, fleet: Fleet) -> float | None:
    """The capacity cost of a request in currency units; None if unknown."""
    once = np.ones((1, len(arm.models)), dtype=np.int64)
    drawn = _drawn(arm, "capacity", fleet, once, _known(arm, "capacity"))
    return None if drawn is None else float(drawn[0])


def _known(arm: Arm, kind: CostKind) -> NDArray[np.bool_]:
    values = {
        "list": arm.list_cost,
        "attributed": arm.attributed_cost,
        "capacity": arm.engine_seconds,
    }[kind]
    return ~np.isnan(values)


def _drawn(
    arm: Arm, kind: CostKind, fleet: Fleet, taken: NDArray[np.int64], rows: NDArray[np.bool_]
) -> Floats | None:
    if not rows.any():
        return None
    counted = taken[:, rows]
    requests = np.maximum(counted.sum(axis=1), 1)  # a draw may contain none of them
    if kind == "capacity":
        return _drawn_capacity(arm, fleet, counted, rows)
    values = arm.list_cost if kind == "list" else arm.attributed_cost
    drawn: Floats = (counted @ values[rows]) / requests
    return drawn if drawn[0] > 0 else None


def _drawn_capacity(
    arm: Arm, fleet: Fleet, counted: NDArray[np.int64], rows: NDArray[np.bool_]
) -> Floats | None:
    load = fleet.requests_per_hour
    if load is None or not any(price.machine_per_hour for price in fleet.models.values()):
        return None
    answers = np.maximum(counted.sum(axis=1), 1)
    models, seconds = np.array(arm.models, dtype=object)[rows], arm.engine_seconds[rows]
    per_hour = np.zeros(len(counted))
    for names, price in _deployments(fleet.models):
        own = np.logical_or.reduce([models == name for name in names])
        requests = counted @ own
        rate = requests / answers * load / _HOUR
        each = (counted @ np.where(own, seconds, 0.0)) / np.maximum(requests, 1)
        needed = replicas_needed(rate, each, _LIMITS)
        per_hour += np.maximum(needed, price.replicas) * price.machine_per_hour
    return per_hour / load


def _deployments(models: Mapping[str, ModelPrice]) -> list[tuple[list[str], ModelPrice]]:
    """The models of each deployment, and the price of one of its replicas."""
    groups: dict[tuple[str | None, str], list[str]] = {}
    for name, price in models.items():
        groups.setdefault((price.pool, price.pool or name), []).append(name)
    return [(names, models[names[0]]) for names in groups.values()]
