"""Whether routing pays: cost, quality and latency against all requests answered by the
generalist."""

from lab.dashboards.dashboard import Dashboard, Panel, Query, Row
from lab.dashboards.overview import JOB
from lab.dashboards.queries import increase, mixed, ratio, summed, told

BOUNDS = ("low", "mean", "high")
_COST, _BASELINE = "niche_cost_currency_total", "niche_cost_baseline_currency_total"
_SAVED = f"{increase(_BASELINE)} - {increase(_COST)}"
_EXACT = "Counted from every completed answer: exact, so without an interval."
_INTERVAL = (
    "From compared answers (`gateway.shadow`). The interval holds at any time, for all specialists "
    "together. No value while one with traffic has no pair."
)


def interval(metric: str) -> tuple[Query, ...]:
    """Mean and bounds of a difference, by specialist."""
    return tuple(
        Query(told(metric, "specialist", where=f'specialist=~"$model", bound="{bound}"'), legend)
        for bound, legend in ((bound, f"{{{{specialist}}}}: {bound}") for bound in BOUNDS)
    )


def _overall(title: str, metric: str, unit: str) -> Panel:
    queries = tuple(Query(mixed(metric, bound), bound) for bound in BOUNDS)
    return Panel(title, _INTERVAL, queries, unit=unit, bounds=(None, None))


def _number(title: str, expr: str, unit: str = "short", about: str = _EXACT) -> Panel:
    return Panel(title, about, (Query(expr),), unit=unit, kind="stat", width=4)


_QUALITY = "niche_evidence_quality_difference_ratio"
_NUMBERS = (
    _number("List price", increase(_COST)),
    _number("At the generalist", increase(_BASELINE)),
    _number("Saved", _SAVED),
    _number("Saved, of the baseline", f"({_SAVED}) / {increase(_BASELINE)}", "percentunit"),
    _number("Machine time", increase("niche_cost_attributed_currency_total")),
    _number(
        "Spent on comparing",
        f"{increase('niche_shadow_cost_currency_total')} or vector(0)",
        about="List price of answers that nobody saw, and of the judge: not in the cost above.",
    ),
)
_OVERALL = (
    _overall("Quality less the generalist's", _QUALITY, "percentunit"),
    _overall("Latency less the generalist's", "niche_evidence_latency_difference_seconds", "s"),
    _overall(
        "Cost per request less the generalist's",
        "niche_evidence_cost_difference_currency",
        "short",
    ),
)
_OVER_TIME = (
    Panel(
        "Cost per hour",
        "In the configured currency.",
        tuple(
            Query(f"3600 * {summed(metric)}", legend)
            for metric, legend in (
                (_COST, "list price"),
                (_BASELINE, "the same tokens at the generalist"),
                ("niche_cost_attributed_currency_total", "machine time of the engines"),
                ("niche_shadow_cost_currency_total", "comparing"),
            )
        ),
        width=12,
    ),
    Panel(
        "Saved by model",
        "Of each model's baseline.",
        (Query(f"1 - {summed(_COST, 'model')} / {summed(_BASELINE, 'model')}", "{{model}}"),),
        unit="percentunit",
        width=12,
        bounds=(None, 1),
    ),
)
_COMPARING = (
    Panel(
        "Comparisons by outcome",
        "What became of requests that were picked.",
        (Query(summed("niche_shadow_comparisons_total", "outcome"), "{{outcome}}"),),
        unit="reqps",
    ),
    Panel(
        "Graded, of picked",
        "The rest had no feedback yet, no budget or no room.",
        (
            Query(
                ratio(
                    summed("niche_shadow_comparisons_total", where='outcome="graded"'),
                    summed("niche_shadow_comparisons_total"),
                ),
                "graded",
            ),
        ),
        unit="percentunit",
        bounds=(0, 1),
    ),
    Panel(
        "Budget used today",
        "At 1 nothing more is compared until midnight UTC.",
        (Query(told("niche_shadow_budget_used_ratio", "limit"), "{{limit}}"),),
        unit="percentunit",
    ),
)

SAVINGS = Dashboard(
    uid="savings",
    title="Savings and quality",
    about="Cost, quality and latency against all requests answered by the generalist.",
    variables=(JOB,),
    rows=(
        Row("Cost in the time shown", _NUMBERS),
        Row("Against all-generalist, over all traffic", _OVERALL),
        Row("Over time", _OVER_TIME),
        Row("Comparing", _COMPARING),
    ),
)
