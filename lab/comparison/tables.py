"""The figures as tables, for the terminal and the page."""

from collections.abc import Iterator, Sequence

from lab.comparison.costs import COST_KINDS
from lab.comparison.experiment import AUTO, GENERALIST
from lab.comparison.figures import LATENCIES, Figures
from lab.comparison.formatting import (
    money,
    percent,
    points,
    points_between,
    seconds,
    signed_seconds,
)
from lab.statistics.interval import Interval
from lab.statistics.quantiles import Quantiles
from lab.statistics.table import Table

_ABSENT = "-"
_PER = 1000


def arms_table(figures: Figures) -> Table:
    """One row per arm."""
    rows = [
        (
            arm.name,
            _quality(arm.quality),
            *(_cost(arm.costs[kind]) for kind in COST_KINDS),
            _ABSENT if arm.tokens is None else f"{arm.tokens:.1f}",
            str(arm.failed),
        )
        for arm in figures.arms
    ]
    costs = (f"{kind} cost" for kind in COST_KINDS)
    return Table(
        ("arm", "quality", *costs, "tokens per answer", "failed"),
        tuple(rows),
        title="Arms",
        note=f"Mean quality of an answer with its 95 % interval; costs in {figures.currency} per "
        f"{_PER:,} requests. The oracle is made of the other arms' answers.",
    )


def pairs_table(figures: Figures) -> Table:
    """Differences on the same prompts."""
    rows = [
        (
            f"{pair.arm} - {pair.baseline}",
            _difference(pair.quality.difference),
            f"{pair.quality.wins}, {pair.quality.ties}, {pair.quality.losses}",
            _p(pair.quality.p_value),
            *(_relative(pair.costs[kind]) for kind in COST_KINDS),
        )
        for pair in figures.pairs
    ]
    costs = (f"{kind} cost" for kind in COST_KINDS)
    return Table(
        ("arms", "quality", "won, alike, lost", "p", *costs),
        tuple(rows),
        title="Differences on the same prompts",
        note="Quality in points, costs in percent of the second arm's, with 95 % intervals; p is "
        "McNemar's exact test.",
    )


def domains_table(figures: Figures) -> Table:
    """`auto` compared with the generalist, by domain."""
    rows = [
        (
            domain.domain,
            str(domain.quality.rows),
            *(f"{100 * domain.arms[name]:.1f} %" for name in (AUTO, GENERALIST)),
            _difference(domain.quality.difference),
            f"{domain.quality.wins}, {domain.quality.ties}, {domain.quality.losses}",
            _p(domain.corrected_p),
            domain.outcome,
        )
        for domain in figures.domains
    ]
    return Table(
        ("domain", "prompts", AUTO, GENERALIST, "difference", "won, alike, lost", "p", "auto"),
        tuple(rows),
        title="By domain",
        note="auto compared with the generalist; p is corrected for the number of domains (Holm).",
    )


def latency_table(figures: Figures) -> Table:
    """Quantiles of every arm, and the difference between `auto` and the generalist."""
    rows = [row for key, title in LATENCIES.items() for row in _latency_rows(figures, key, title)]
    return Table(
        ("time", "arm", "p50", "p95", "p99"),
        tuple(rows),
        title="Latency",
        note="The last line of each is auto minus generalist, with 95 % intervals. Failed requests "
        "are left out.",
    )


def _latency_rows(figures: Figures, key: str, title: str) -> Iterator[tuple[str, ...]]:
    name = title
    for arm in figures.arms:
        found = arm.latencies.get(key)
        if found is not None:
            yield (name, arm.name, *(seconds(interval.value) for interval in _levels(found)))
            name = ""
    main = figures.pair(AUTO, GENERALIST)
    found = main.latencies.get(key) if main else None
    if found is not None:
        yield (
            "",
            f"{AUTO} - {GENERALIST}",
            *(_more_seconds(interval) for interval in _levels(found)),
        )


def routes_table(figures: Figures) -> Table | None:
    """The models that `auto` chose, by domain; None if unknown."""
    models: dict[str, None] = {}
    for domain in figures.domains:
        models |= dict.fromkeys(domain.routes)
    if not models:
        return None
    rows = [
        (domain_figures.domain, *(str(domain_figures.routes.get(model, "")) for model in models))
        for domain_figures in figures.domains
    ]
    return Table(
        ("domain", *models),
        tuple(rows),
        title="Where auto sent the prompts",
        note="Prompts by their domain and the model that answered.",
    )


def selection_table(figures: Figures) -> Table | None:
    """What live selection would do with each specialist; None if none answered."""
    rows = [
        (
            of.specialist,
            str(of.pairs),
            _ABSENT if of.quality is None else _difference(of.quality),
            _cost(of.expense),
            "keep it" if of.demoted_after is None else f"demote it after {of.demoted_after} pairs",
            of.why or "",
        )
        for of in figures.selection
    ]
    return (
        Table(
            ("specialist", "pairs", "quality", "cost", "selection would", "because it is"),
            tuple(rows),
            title="What live selection would do",
            note="With these answers alone, and its own settings by default. Specialist minus "
            f"generalist: quality in points, cost in {figures.currency} per {_PER:,} requests; the "
            "intervals hold at all times for all specialists, so they are wider than those above.",
        )
        if rows
        else None
    )


def _levels(found: Quantiles) -> Sequence[Interval]:
    return found.p50, found.p95, found.p99


def _quality(interval: Interval) -> str:
    return f"{percent(interval.value)} [{100 * interval.low:.1f} to {100 * interval.high:.1f}]"


def _difference(interval: Interval) -> str:
    return f"{points(interval.value)} [{points_between(interval)}]"


def _relative(interval: Interval | None) -> str:
    return _ABSENT if interval is None else f"{_difference(interval)} %"


def _cost(interval: Interval | None) -> str:
    if interval is None:
        return _ABSENT
    low, value, high = (money(_PER * at) for at in (interval.low, interval.value, interval.high))
    return f"{value} [{low} to {high}]"


def _more_seconds(interval: Interval) -> str:
    low, value, high = map(signed_seconds, (interval.low, interval.value, interval.high))
    return f"{value} [{low} to {high}]"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
