"""The figures as tables, alike in a terminal and on a page."""

from collections.abc import Iterator, Sequence

from lab.comparison.costs import COST_KINDS
from lab.comparison.experiment import AUTO, GENERALIST
from lab.comparison.figures import LATENCIES, Figures
from lab.comparison.formatting import money, percent, points, points_between, seconds
from lab.statistics.interval import Interval
from lab.statistics.quantiles import Quantiles
from lab.statistics.table import Table

_ABSENT = "-"
_PER = 1000


def arms_table(figures: Figures) -> Table:
    """Every arm by itself."""
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
            f"{of.arm} - {of.baseline}",
            _difference(of.quality.difference),
            f"{of.quality.wins}, {of.quality.ties}, {of.quality.losses}",
            _p(of.quality.p_value),
            *(_relative(of.costs[kind]) for kind in COST_KINDS),
        )
        for of in figures.pairs
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
    """`auto` beside the generalist, by domain."""
    rows = [
        (
            of.domain,
            str(of.quality.rows),
            *(f"{100 * of.arms[name]:.1f} %" for name in (AUTO, GENERALIST)),
            _difference(of.quality.difference),
            f"{of.quality.wins}, {of.quality.ties}, {of.quality.losses}",
            _p(of.corrected_p),
            of.outcome,
        )
        for of in figures.domains
    ]
    return Table(
        ("domain", "prompts", AUTO, GENERALIST, "difference", "won, alike, lost", "p", "auto"),
        tuple(rows),
        title="By domain",
        note="auto beside the generalist; p is corrected for the number of domains (Holm).",
    )


def latency_table(figures: Figures) -> Table:
    """Quantiles of every arm, and what `auto` has over the generalist."""
    rows = [row for key, title in LATENCIES.items() for row in _latency_rows(figures, key, title)]
    return Table(
        ("time", "arm", "p50", "p95", "p99"),
        tuple(rows),
        title="Latency",
        note="The last line of each is auto less generalist, with 95 % intervals. Failed requests "
        "are left out.",
    )


def _latency_rows(figures: Figures, key: str, title: str) -> Iterator[tuple[str, ...]]:
    name = title
    for arm in figures.arms:
        found = arm.latencies.get(key)
        if found is not None:
            yield (name, arm.name, *(seconds(of.value) for of in _levels(found)))
            name = ""
    main = figures.pair(AUTO, GENERALIST)
    found = main.latencies.get(key) if main else None
    if found is not None:
        yield ("", f"{AUTO} - {GENERALIST}", *(_more_seconds(of) for of in _levels(found)))


def routes_table(figures: Figures) -> Table | None:
    """Where `auto` sent the prompts of each domain; None where that is not known."""
    models: dict[str, None] = {}
    for domain in figures.domains:
        models |= dict.fromkeys(domain.routes)
    if not models:
        return None
    rows = [
        (of.domain, *(str(of.routes.get(model, "")) for model in models)) for of in figures.domains
    ]
    return Table(
        ("domain", *models),
        tuple(rows),
        title="Where auto sent the prompts",
        note="Prompts by their domain and the model that answered.",
    )


def _levels(found: Quantiles) -> Sequence[Interval]:
    return found.p50, found.p95, found.p99


def _quality(of: Interval) -> str:
    return f"{percent(of.value)} [{100 * of.low:.1f} to {100 * of.high:.1f}]"


def _difference(of: Interval) -> str:
    return f"{points(of.value)} [{points_between(of)}]"


def _relative(of: Interval | None) -> str:
    return _ABSENT if of is None else f"{_difference(of)} %"


def _cost(of: Interval | None) -> str:
    if of is None:
        return _ABSENT
    low, value, high = (money(_PER * at) for at in (of.low, of.value, of.high))
    return f"{value} [{low} to {high}]"


def _more_seconds(of: Interval) -> str:
    sign = "+" if of.value >= 0 else "-"
    low, high = (f"{1000 * at:+.0f}" for at in (of.low, of.high))
    return f"{sign}{seconds(abs(of.value))} [{low} to {high} ms]"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
