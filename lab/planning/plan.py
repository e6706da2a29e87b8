"""A plan: the fleet for a given traffic, the generalist alone for the same, and where each
specialist begins to pay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.planning.break_even import BreakEven, break_even
from lab.planning.fleet import Demand, Deployment, Fleet, Machine, deployment, fleet
from lab.planning.measured import Measured
from lab.planning.queue import Limits
from lab.planning.traffic import PlanError, alone, generalist, parts


@dataclass(frozen=True)
class Edge:
    """The gateway's replicas.

    Attributes:
        replicas: that are configured.
        cpus: that one reserves.
        seconds: of its CPU per request, deciding included.
        token_seconds: of its CPU per streamed token.
    """

    replicas: int = 1
    cpus: float = 0.0
    seconds: float = 0.005
    token_seconds: float = 0.0004


@dataclass(frozen=True)
class Plan:
    """The whole of it.

    Attributes:
        rates: requests per second at the peak, by domain.
        limits: when replicas are enough.
        routed: the fleet.
        alone: the generalist without specialists, for the same traffic.
        gateway: what stands before either; it has no price of its own.
        points: of each specialist whose cost is known.
        sources: where measurements come from.
    """

    rates: Mapping[str, float]
    limits: Limits
    routed: Fleet
    alone: Fleet
    gateway: Deployment
    points: tuple[BreakEven, ...]
    sources: tuple[str, ...]


def mixed(rate: float, mix: Mapping[str, float], measured: Measured) -> dict[str, float]:
    """Requests per second by domain.

    Args:
        rate: of all.
        mix: shares of domains, relative to each other; empty: as measured.
        measured: what is known.

    Raises:
        PlanError: neither tells.
    """
    shares = dict(mix) or measured.mix
    total = sum(shares.values())
    if total <= 0:
        raise PlanError(
            "which domains are asked is not known; give --mix, such as --mix sql=0.3 general=0.7"
        )
    return {domain: rate * share / total for domain, share in sorted(shares.items())}


def plan(
    rates: Mapping[str, float],
    machines: Sequence[Machine],
    edge: Edge,
    known: tuple[Measured, Limits],
) -> Plan:
    """Computes it.

    Args:
        rates: requests per second by domain.
        machines: the models, the generalist among them.
        edge: the gateway.
        known: what was measured, and when replicas are enough.

    Raises:
        PlanError: of a model that is asked nothing is known.
    """
    (measured, limits), large = known, generalist(machines)
    routed = fleet(machines, parts(rates, machines, measured), limits)
    points = [
        break_even(of, rates, machines, known)
        for of in machines
        if of is not large
        and of.per_hour > 0
        and large.per_hour > 0
        and measured.of(str(of.domain), of.name) is not None
    ]
    return Plan(
        dict(rates),
        limits,
        routed,
        fleet([large], alone(rates, large, measured), limits),
        _gateway(edge, routed, limits),
        tuple(points),
        measured.sources,
    )


def _gateway(edge: Edge, routed: Fleet, limits: Limits) -> Deployment:
    tokens = routed.tokens_per_second / routed.rate
    demand = Demand(routed.rate, edge.seconds + tokens * edge.token_seconds, tokens)
    machine = Machine("gateway", None, 0.0, edge.cpus, least=edge.replicas, most=edge.replicas)
    return deployment(machine, demand, limits)
