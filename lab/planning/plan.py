"""A plan: the fleet for a given traffic, the generalist alone for the same, and where each
specialist begins to pay."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.planning.break_even import BreakEven, break_even
from lab.planning.errors import PlanError
from lab.planning.fleet import (
    Demand,
    Deployment,
    Fleet,
    Machine,
    alone,
    deployment,
    fleet,
    generalist,
    parts,
)
from lab.planning.measurements import Measurements
from lab.planning.queue import Limits


@dataclass(frozen=True)
class GatewayReplicas:
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


def rates_by_domain(
    rate: float, mix: Mapping[str, float], measured: Measurements
) -> dict[str, float]:
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
    edge: GatewayReplicas,
    known: tuple[Measurements, Limits],
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


def _gateway(edge: GatewayReplicas, routed: Fleet, limits: Limits) -> Deployment:
    tokens = routed.tokens_per_second / routed.rate
    demand = Demand(routed.rate, edge.seconds + tokens * edge.token_seconds, tokens)
    machine = Machine(
        "gateway", None, 0.0, edge.cpus, min_replicas=edge.replicas, max_replicas=edge.replicas
    )
    return deployment(machine, demand, limits)


_HEAD = (
    *("deployment", "requests/s", "engine s each", "replicas", "utilization", "wait p95"),
    *("capacity", "CPUs", "GPUs", "per hour"),
)
_HOUR, _MILLION = 3600.0, 1e6


def format_plan(found: Plan, currency: str, mean_rate: float) -> str:
    """All of it.

    Args:
        found: the plan.
        currency: of its prices.
        mean_rate: requests per second on average over the hours; its peak decides how many
            replicas there are.
    """
    parts = [
        _traffic(found),
        *_table(found),
        *_shortages((found.gateway, *found.routed.deployments)),
        "",
        *_costs(found, currency, mean_rate),
        *(_point(of, currency) for of in found.points),
        "",
        *_how(found),
    ]
    return "\n".join(parts)


def _traffic(found: Plan) -> str:
    total = sum(found.rates.values())
    shares = ", ".join(f"{name} {_percent(rate / total)}" for name, rate in found.rates.items())
    return f"At the peak {total:g} requests per second: {shares}\n"


def _table(found: Plan) -> Iterator[str]:
    wait = f"wait p{100 * found.limits.quantile:g}"
    head = tuple(wait if title.startswith("wait") else title for title in _HEAD)
    rows: list[Sequence[str]] = [head]
    rows += [_row(of) for of in (found.gateway, *found.routed.deployments)]
    rows.append(_sum("all models", found.routed))
    rows.append(_sum("generalist alone", found.alone))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for place, row in enumerate(rows):
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([first.strip().ljust(widths[0]), *rest]).rstrip()
        if place in (0, len(rows) - 3):
            yield "-" * (sum(widths) + 2 * len(widths) - 2)


def _row(of: Deployment) -> Sequence[str]:
    asked = of.demand.rate > 0
    return (
        of.machine.name,
        f"{of.demand.rate:.3g}",
        f"{of.demand.seconds:.3g}" if asked else "-",
        str(of.replicas),
        _percent(of.utilization),
        f"{of.wait:.2f} s" if asked else "-",
        "-" if of.capacity is None else f"{of.capacity:.3g}/s",
        *_hardware(of.replicas * of.machine.cpus, of.replicas * of.machine.gpus, of.per_hour),
    )


def _sum(name: str, of: Fleet) -> Sequence[str]:
    replicas = sum(part.replicas for part in of.deployments)
    hardware = _hardware(of.cpus, of.gpus, of.per_hour)
    return (name, f"{of.rate:.3g}", "", str(replicas), "", "", "", *hardware)


def _hardware(cpus: float, gpus: float, per_hour: float) -> tuple[str, str, str]:
    return f"{cpus:g}", f"{gpus:g}", f"{per_hour:.4g}"


def _shortages(parts: Sequence[Deployment]) -> Iterator[str]:
    for part in parts:
        if part.short:
            yield (
                f"{part.machine.name} may have {part.machine.max_replicas} replicas by its "
                f"configuration and needs {part.replicas}: raise replicas, or "
                "autoscaling.max_replicas."
            )


def _costs(found: Plan, currency: str, mean_rate: float) -> Iterator[str]:
    if not found.alone.per_hour:
        yield "No costs: the configuration has no price.machine_per_hour."
        return
    for name, of in (("routed", found.routed), ("generalist alone", found.alone)):
        each = of.per_hour / _HOUR / mean_rate
        tokens = of.tokens_per_second / of.rate
        million = f"{each / tokens * _MILLION:.4g} per million tokens" if tokens else "tokens: -"
        yield (
            f"{name}: {currency} {of.per_hour:.4g} per hour, {1000 * each:.4g} per 1,000 requests, "
            f"{million} generated"
        )
    change = found.routed.per_hour / found.alone.per_hour - 1
    way = "more" if change > 0 else "less"
    yield f"Routing costs {_percent(abs(change))} {way} per hour.\n"


def _point(of: BreakEven, currency: str) -> str:
    full = f"{currency} {1000 * of.own:.3g} against {1000 * of.others:.3g} per 1,000 requests"
    if of.from_rate is None:
        return (
            f"{of.model} never costs less than the generalist: {full}, both at the highest "
            "utilization allowed."
        )
    state = "it pays" if of.pays else "it does not pay on cost"
    return (
        f"{of.model} pays from {of.from_rate:.3g} requests per second on; at {of.now:.3g} {state} "
        f"({full}, both at the highest utilization allowed)."
    )


def _how(found: Plan) -> Iterator[str]:
    limits = found.limits
    yield (
        f"Replicas: the fewest whose utilization is at most {_percent(limits.max_utilization)} and "
        f"that let at most {_percent(1 - limits.quantile)} of the requests wait longer than "
        f"{limits.max_wait_seconds:g} s, by M/M/c (Erlang C): independent requests, one queue per "
        "model."
    )
    yield "Cost says nothing of quality: niche compare does."
    yield f"Measured: {', '.join(found.sources) or 'nothing; all figures were given'}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
