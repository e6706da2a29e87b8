"""A plan as people read it."""

from collections.abc import Iterator, Sequence

from lab.planning.break_even import BreakEven
from lab.planning.fleet import Deployment, Fleet
from lab.planning.plan import Plan

_HEAD = (
    *("deployment", "requests/s", "engine s each", "replicas", "busy", "wait p95"),
    *("takes up to", "CPUs", "GPUs", "per hour"),
)
_HOUR, _MILLION = 3600.0, 1e6


def told(found: Plan, currency: str, mean_rate: float) -> str:
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
        _percent(of.busy),
        f"{of.wait:.2f} s" if asked else "-",
        "-" if of.takes is None else f"{of.takes:.3g}/s",
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
                f"{part.machine.name} may have {part.machine.most} replicas by its configuration "
                f"and needs {part.replicas}: raise replicas, or autoscaling.max_replicas."
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
            f"{of.model} never costs less than the generalist: {full}, both as busy as they may be."
        )
    state = "it pays" if of.pays else "it does not pay on cost"
    return (
        f"{of.model} pays from {of.from_rate:.3g} requests per second on; at {of.now:.3g} {state} "
        f"({full}, both as busy as they may be)."
    )


def _how(found: Plan) -> Iterator[str]:
    limits = found.limits
    yield (
        f"Replicas: the fewest that are busy at most {_percent(limits.busy)} of their time and let "
        f"at most {_percent(1 - limits.quantile)} of the requests wait longer than "
        f"{limits.wait_seconds:g} s, by M/M/c (Erlang C): independent requests, one line per model."
    )
    yield "Cost says nothing of quality: niche compare does."
    yield f"Measured: {', '.join(found.sources) or 'nothing; all figures were given'}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
