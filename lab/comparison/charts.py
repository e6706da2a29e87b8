"""The charts of the report: SVG text, drawn by matplotlib, in the colours of the page around it.

Importing matplotlib takes a second, so callers import this only when they draw. The page has a
light and a dark theme, so colours are CSS variables (`style.css`): matplotlib draws with
placeholder colours, which are then replaced by the variables. Text stays text, in the page's font.
"""

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter
from matplotlib.transforms import Bbox

from lab.comparison.costs import CostKind
from lab.comparison.experiment import AUTO, GENERALIST, ORACLE, SHUFFLE
from lab.comparison.figures import LATENCIES, ArmFigures, Figures
from lab.comparison.formatting import money, seconds, whole
from lab.statistics.interval import Interval
from lab.statistics.paired import Paired, PairOutcome

COST_TITLES: Mapping[CostKind, str] = {
    "list": "List price",
    "attributed": "Attributed cost",
    "capacity": "Capacity cost",
}
_COLOURS: Mapping[str, str] = {
    "ink": "#1b1f24",
    "soft": "#5d6673",
    "rule": "#e1e5ea",
    "paper": "#fdfefd",
    AUTO: "#1f6feb",
    GENERALIST: "#c4510a",
    SHUFFLE: "#7a5cc7",
    ORACLE: "#0f8a7e",
    "alone": "#98a2b0",
    "good": "#157f3c",
    "bad": "#c0322b",
    "even": "#7d8794",
}
"""Placeholder colours by the name of the CSS variable; all different."""
_OUTCOMES: Mapping[PairOutcome, str] = {"wins": "good", "ties": "even", "loses": "bad"}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "niche",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": _COLOURS["rule"],
    "axes.labelcolor": _COLOURS["soft"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _COLOURS["rule"],
    "text.color": _COLOURS["soft"],
    "xtick.color": _COLOURS["soft"],
    "ytick.color": _COLOURS["soft"],
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_PER = 1000


def kind_of(arm: str) -> str:
    """The name of an arm's colour."""
    return arm if arm in (AUTO, GENERALIST, SHUFFLE, ORACLE) else "alone"


def quality_cost(figures: Figures, kind: CostKind, *, large: bool) -> str:
    """Every arm by quality and one kind of cost, with its intervals, and the Pareto front; empty
    where fewer than two arms have that cost."""
    arms = [arm for arm in figures.arms if arm.costs[kind] is not None]
    if len(arms) < 2:
        return ""
    with rc_context(_STYLE):
        figure, axes = _axes((9.5, 5.4) if large else (5.9, 3.8))
        _front(axes, figures, kind)
        for arm in arms:
            _arm(axes, arm, kind)
        # A small chart has no room for the names of all specialists.
        axes.set_xlim(left=0)
        figure.draw_without_rendering()  # fixes the positions of the points
        _name_points(axes, [arm for arm in arms if large or kind_of(arm.name) != "alone"], kind)
        axes.set_xlabel(f"{COST_TITLES[kind]}, {figures.currency} per {_PER:,} requests")
        axes.set_ylabel("Quality")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: money(value)))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        return _svg(figure, f"Quality by {COST_TITLES[kind].lower()}, with 95 % intervals")


def domain_differences(figures: Figures, margin: float) -> str:
    """A forest plot: quality of `auto` less the generalist's by domain, and on all prompts."""
    main = figures.pair(AUTO, GENERALIST)
    if main is None:
        return ""
    rows: list[tuple[str, Paired, PairOutcome]] = [
        (domain.domain, domain.quality, domain.outcome) for domain in figures.domains
    ]
    rows.append(("all prompts", main.quality, main.quality.outcome))
    with rc_context(_STYLE):
        figure, axes = _axes((9.5, 1.1 + 0.36 * len(rows)))
        axes.axvline(0, color=_COLOURS["soft"], linewidth=1)
        axes.axvline(-100 * margin, color=_COLOURS["bad"], linewidth=1, linestyle="--")
        for place, (_, paired, outcome) in enumerate(rows):
            low, value, high = _scaled(paired.difference, 100)
            colour = _COLOURS[_OUTCOMES[outcome]]
            axes.plot([low, high], [place, place], color=colour, linewidth=3.5)
            axes.plot(value, place, "o", color=colour, markersize=8)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("quality of auto less the generalist's, points")
        return _svg(figure, "Difference in quality by domain, with 95 % intervals")


def latencies(figures: Figures) -> list[str]:
    """For each known latency, the share of answers that took no longer."""
    found = []
    for key, title in LATENCIES.items():
        # The arms that matter most are drawn last, above the others.
        arms = sorted(figures.arms, key=lambda arm: kind_of(arm.name) != "alone")
        curves = {arm.name: arm.curves[key] for arm in arms if arm.curves.get(key)}
        if curves:
            found.append(_distribution(curves, title))
    return found


def capacity_curve(figures: Figures) -> str:
    """The capacity cost of a request over traffic; empty where it is not known."""
    if not figures.capacity or figures.requests_per_hour is None:
        return ""
    loads = [point.requests_per_hour for point in figures.capacity]
    with rc_context(_STYLE):
        figure, axes = _axes((9.5, 3.8))
        for name in (GENERALIST, AUTO):
            costs = [point.costs[name] * _PER for point in figures.capacity]
            axes.plot(loads, costs, color=_COLOURS[name], linewidth=2.2)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.axvline(figures.requests_per_hour, color=_COLOURS["soft"], linewidth=1)
        place = (figures.requests_per_hour, 0.97)
        axes.annotate(
            " this run's traffic", place, xycoords=("data", "axes fraction"), va="top", fontsize=9
        )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: whole(value)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: money(value)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("requests per hour")
        axes.set_ylabel(f"{figures.currency} per {_PER:,} requests")
        return _svg(figure, "Capacity cost of a request over traffic")


def _axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot()


def _front(axes: Axes, figures: Figures, kind: CostKind) -> None:
    """A step line: between two arms of the front, the cheaper one is the best known."""
    arms = {arm.name: arm for arm in figures.arms}
    front = [arms[name] for name in figures.front[kind]]
    if front:
        costs = [_cost(arm, kind)[1] for arm in front]
        qualities = [arm.quality.value for arm in front]
        farthest = max(_cost(arm, kind)[2] for arm in arms.values() if arm.costs[kind])
        axes.step(
            [*costs, farthest],
            [*qualities, qualities[-1]],
            where="post",
            color=_COLOURS["soft"],
            linewidth=1.2,
            linestyle=":",
        )


def _arm(axes: Axes, arm: ArmFigures, kind: CostKind) -> None:
    colour, of = _COLOURS[kind_of(arm.name)], kind_of(arm.name)
    (low, cost, high), quality = _cost(arm, kind), arm.quality
    bars: dict[str, Any] = {"color": colour, "linewidth": 1.6, "alpha": 0.6}
    axes.plot([low, high], [quality.value, quality.value], **bars)
    axes.plot([cost, cost], [quality.low, quality.high], **bars)
    hollow = of in (SHUFFLE, ORACLE)  # not real arms: a control and a bound
    axes.plot(
        cost,
        quality.value,
        "D" if hollow else "o",
        color=colour,
        markerfacecolor=_COLOURS["paper"] if hollow else colour,
        markersize=6 if of == "alone" else 9,
    )


def _name_points(axes: Axes, arms: Sequence[ArmFigures], kind: CostKind) -> None:
    """Names beside their points; one that would cover another moves down."""
    taken: list[Bbox] = []
    for arm in sorted(arms, key=lambda arm: -arm.quality.value):
        colour = "soft" if kind_of(arm.name) == "alone" else kind_of(arm.name)
        place = (_cost(arm, kind)[1], arm.quality.value)
        name = axes.annotate(
            arm.name,
            place,
            xytext=(8, 5),
            textcoords="offset points",
            color=_COLOURS[colour],
            fontweight="bold",
        )
        for lower in range(5, -60, -4):
            name.xyann = (8, lower)
            box = name.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(name.get_window_extent())


def _distribution(curves: Mapping[str, Sequence[float]], title: str) -> str:
    with rc_context(_STYLE):
        figure, axes = _axes((5.9, 3.5))
        for name, values in curves.items():
            shares = [place / max(len(values) - 1, 1) for place in range(len(values))]
            width = 1.2 if kind_of(name) == "alone" else 2.2
            axes.plot(values, shares, color=_COLOURS[kind_of(name)], linewidth=width)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel(title)
        axes.set_ylabel("share of answers")
        return _svg(figure, f"Distribution of {title}, by arm")


def _cost(arm: ArmFigures, kind: CostKind) -> tuple[float, float, float]:
    """Low, value and high, for `_PER` requests."""
    found = arm.costs[kind]
    if found is None:
        raise ValueError(f"{arm.name} has no {kind} cost")
    return _scaled(found, _PER)


def _scaled(found: Interval, factor: float) -> tuple[float, float, float]:
    return found.low * factor, found.value * factor, found.high * factor


def _svg(figure: Figure, title: str) -> str:
    """The chart as an element of the page, as wide as there is room."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata=_NO_METADATA)
    _, _, drawn = text.getvalue().partition("<svg ")
    drawn = re.sub(r'(width|height)="[\d.]+pt" ', "", drawn, count=2)
    for name, colour in _COLOURS.items():
        drawn = drawn.replace(colour, f"var(--{name})")
    return f'<svg role="img" aria-label="{escape(title)}" {drawn}'
