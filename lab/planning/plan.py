"""A plan: the fleet for a given traffic, the generalist alone for the same, and where each
specialist starts to save money."""

import math
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
        replicas: the configured number.
        cpus: cores that one replica reserves.
        seconds: CPU seconds per request, routing included.
        token_seconds: CPU seconds per streamed token.
    """

    replicas: int = 1
    cpus: float = 0.0
    seconds: float = 0.005
    token_seconds: float = 0.0004


@dataclass(frozen=True)
class Plan:
    """A fleet for the planned traffic, with its costs and its sources.

    Attributes:
        rates: requests per second at the peak, by domain.
        limits: the limits on utilization and waiting time.
        routed: the fleet with routing.
        alone: the generalist without specialists, for the same traffic.
        gateway: the gateway, needed with and without routing; it has no price of its own.
        points: the break-even point of each specialist whose cost is known.
        sources: where the measurements come from.
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
        rate: total requests per second.
        mix: relative shares of the domains; empty: the measured shares.
        measured: the measured traffic.

    Raises:
        PlanError: neither the mix nor the measurements name a domain, or the shares are too large
            to be added up.
    """
    shares = dict(mix) or measured.mix
    total = sum(shares.values())
    if total <= 0:
        raise PlanError(
            "the shares of the domains are unknown; give --mix, such as --mix sql=0.3 general=0.7"
        )
    if not math.isfinite(total):
        raise PlanError(
            "the shares of the domains add up to no finite number; give smaller ones with --mix, "
            "such as --mix sql=0.3 general=0.7"
        )
    return {domain: share / total * rate for domain, share in sorted(shares.items())}


def plan(
    rates: Mapping[str, float],
    machines: Sequence[Machine],
    gateway: GatewayReplicas,
    basis: tuple[Measurements, Limits],
) -> Plan:
    """Plans the fleet for a traffic.

    Args:
        rates: requests per second by domain.
        machines: the models, the generalist among them.
        gateway: the gateway's replicas.
        basis: the measurements and the limits.

    Raises:
        PlanError: there is no measurement for a model that gets requests.
    """
    (measured, limits), large = basis, generalist(machines)
    routed = fleet(machines, parts(rates, machines, measured), limits)
    points = [
        break_even(machine, rates, machines, basis)
        for machine in machines
        if machine is not large
        and machine.per_hour > 0
        and large.per_hour > 0
        and measured.of(str(machine.domain), machine.name) is not None
    ]
    return Plan(
        dict(rates),
        limits,
        routed,
        fleet([large], alone(rates, large, measured), limits),
        _gateway(gateway, routed, limits),
        tuple(points),
        measured.sources,
    )


def _gateway(gateway: GatewayReplicas, routed: Fleet, limits: Limits) -> Deployment:
    tokens = routed.tokens_per_second / routed.rate
    demand = Demand(routed.rate, gateway.seconds + tokens * gateway.token_seconds, tokens)
    machine = Machine(
        "gateway",
        None,
        0.0,
        gateway.cpus,
        min_replicas=gateway.replicas,
        max_replicas=gateway.replicas,
    )
    return deployment(machine, demand, limits)


_HEAD = (
    *("deployment", "requests/s", "engine s each", "replicas", "utilization", "wait p95"),
    *("capacity", "CPUs", "GPUs", "per hour"),
)
_HOUR, _MILLION = 3600.0, 1e6


def format_plan(plan: Plan, currency: str, mean_rate: float) -> str:
    """Formats a plan for a terminal.

    Args:
        plan: the plan.
        currency: the currency of its prices.
        mean_rate: average requests per second, for the cost per request; the peak rate decides the
            number of replicas.
    """
    parts = [
        _traffic(plan),
        *_table(plan),
        *_pools(plan.routed),
        *_shortages((plan.gateway, *plan.routed.deployments)),
        "",
        *_costs(plan, currency, mean_rate),
        *(_point(point, currency) for point in plan.points),
        "",
        *_how(plan),
    ]
    return "\n".join(parts)


def _traffic(plan: Plan) -> str:
    total = sum(plan.rates.values())
    shares = ", ".join(f"{name} {_percent(rate / total)}" for name, rate in plan.rates.items())
    return f"At the peak {total:g} requests per second: {shares}\n"


def _table(plan: Plan) -> Iterator[str]:
    wait = f"wait p{100 * plan.limits.quantile:g}"
    head = tuple(wait if title.startswith("wait") else title for title in _HEAD)
    rows: list[Sequence[str]] = [head]
    rows += [_row(deployment) for deployment in (plan.gateway, *plan.routed.deployments)]
    rows.append(_sum("all models", plan.routed))
    rows.append(_sum("generalist alone", plan.alone))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for place, row in enumerate(rows):
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([first.strip().ljust(widths[0]), *rest]).rstrip()
        if place in (0, len(rows) - 3):
            yield "-" * (sum(widths) + 2 * len(widths) - 2)


def _row(deployment: Deployment) -> Sequence[str]:
    asked = deployment.demand.rate > 0
    what = (
        deployment.machine.deployment,
        f"{deployment.demand.rate:.3g}",
        f"{deployment.demand.seconds:.3g}" if asked else "-",
    )
    if deployment.machine.elsewhere:
        return (*what, *("-",) * (len(_HEAD) - len(what)))
    return (
        *what,
        str(deployment.replicas),
        _percent(deployment.utilization),
        f"{deployment.wait:.2f} s" if asked else "-",
        "-" if deployment.capacity is None else f"{deployment.capacity:.3g}/s",
        *_hardware(
            deployment.replicas * deployment.machine.cpus,
            deployment.replicas * deployment.machine.gpus,
            deployment.per_hour,
        ),
    )


def _sum(name: str, fleet: Fleet) -> Sequence[str]:
    replicas = sum(part.replicas for part in fleet.deployments)
    hardware = _hardware(fleet.cpus, fleet.gpus, fleet.per_hour)
    return (name, f"{fleet.rate:.3g}", "", str(replicas), "", "", "", *hardware)


def _hardware(cpus: float, gpus: float, per_hour: float) -> tuple[str, str, str]:
    return f"{cpus:g}", f"{gpus:g}", f"{per_hour:.4g}"


def _pools(fleet: Fleet) -> Iterator[str]:
    for part in fleet.deployments:
        if part.models:
            name, models = part.machine.deployment, ", ".join(part.models)
            yield f"{name} is shared: {models} use its replicas."


def _shortages(parts: Sequence[Deployment]) -> Iterator[str]:
    for part in parts:
        if part.short:
            yield (
                f"{part.machine.deployment} may have {part.machine.max_replicas} replicas by its "
                f"configuration and needs {part.replicas}: raise replicas, or "
                "autoscaling.max_replicas."
            )


def _costs(plan: Plan, currency: str, mean_rate: float) -> Iterator[str]:
    if not plan.alone.per_hour:
        yield "No costs to compare: the generalist has no price.machine_per_hour."
        return
    for name, part in (("routed", plan.routed), ("generalist alone", plan.alone)):
        each = part.per_hour / _HOUR / mean_rate
        tokens = part.tokens_per_second / part.rate
        million = f"{each / tokens * _MILLION:.4g} per million tokens" if tokens else "tokens: -"
        yield (
            f"{name}: {currency} {part.per_hour:.4g} per hour, {1000 * each:.4g} per 1,000 "
            f"requests, {million} generated"
        )
    change = plan.routed.per_hour / plan.alone.per_hour - 1
    way = "more" if change > 0 else "less"
    yield f"Routing costs {_percent(abs(change))} {way} per hour.\n"


def _point(at: BreakEven, currency: str) -> str:
    full = f"{currency} {1000 * at.own:.3g} against {1000 * at.others:.3g} per 1,000 requests"
    if at.from_rate is None:
        return (
            f"{at.model} never costs less than the generalist: {full}, both at the highest "
            "utilization allowed."
        )
    if at.from_rate == 0:
        return (
            f"{at.model} pays at any rate, since the replicas that it shares are there without it "
            f"({full}, both at the highest utilization allowed)."
        )
    state = "it pays" if at.pays else "it does not save money"
    return (
        f"{at.model} pays from {at.from_rate:.3g} requests per second on; at {at.now:.3g} {state} "
        f"({full}, both at the highest utilization allowed)."
    )


def _how(plan: Plan) -> Iterator[str]:
    limits = plan.limits
    yield (
        f"Replicas: the fewest whose utilization is at most {_percent(limits.max_utilization)} and "
        f"that let at most {_percent(1 - limits.quantile)} of the requests wait longer than "
        f"{limits.max_wait_seconds:g} s, by M/M/c (Erlang C): independent requests, one queue per "
        "deployment."
    )
    yield "This plan covers cost only; niche compare measures quality."
    yield f"Measured: {', '.join(plan.sources) or 'nothing; all figures were given by hand'}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
