"""The figures of an evaluation as tables, for Markdown and for a terminal.

Rule: what users or data files wrote is escaped; it can neither break a table nor become a link.
"""

import math
from collections.abc import Iterable

from lab.routing.values import Evaluation
from lab.statistics.interval import Interval
from lab.statistics.table import Table
from router.guarantee import Guarantee

_SHOWN_PAIRS = 10


def figures(found: Evaluation) -> Table:
    """The overall figures, with intervals for shares of rows."""
    return Table(
        ("figure", "value", "95% interval"),
        tuple(
            (name, f"{value:.4f}", _interval(found.intervals.get(name)))
            for name, value in found.metrics().items()
        ),
    )


def domains(found: Evaluation) -> Table:
    """One row per domain that the classifier knows."""
    titles = ("domain", "rows", "precision", "recall", "95% interval", "F1")
    return Table(
        (*titles, "went to its own model", "to a wrong specialist"),
        tuple(
            (
                *(
                    domain.domain,
                    f"{domain.rows}",
                    _number(domain.precision),
                    _number(domain.recall),
                ),
                *(_interval(domain.recall_interval), _number(domain.f1)),
                *(_number(domain.served), _number(domain.elsewhere)),
            )
            for domain in found.domains
        ),
    )


def confusions(found: Evaluation) -> Table:
    """The most frequent wrong first choices."""
    return Table(
        ("belongs to", "first choice", "rows"),
        tuple(
            (domain, choice, f"{rows}")
            for domain, choice, rows in found.confusion.pairs()[:_SHOWN_PAIRS]
        ),
    )


def outside(found: Evaluation) -> Table:
    """One row per label that no specialist should get."""
    return Table(
        ("label", "rows", "a specialist got", "95% interval", "most of them went to"),
        tuple(
            (of.domain, f"{of.rows}", _number(of.routed), _interval(of.interval), of.most or "-")
            for of in found.outside
        ),
    )


def sources(found: Evaluation) -> Table:
    """One row per source and domain."""
    return Table(
        ("source", "domain", "rows", "went where it belongs"),
        tuple(
            (source.source, source.domain, f"{source.rows}", _number(source.right))
            for source in found.sources
        ),
    )


def mistakes(found: Evaluation) -> Table:
    """The mistakes, most confident first."""
    return Table(
        ("confidence", "belongs to", "first choice", "went to", "prompt"),
        tuple(
            (
                f"{mistake.confidence:.4f}",
                mistake.domain,
                mistake.choice,
                mistake.went_to,
                mistake.text,
            )
            for mistake in found.mistakes
        ),
    )


def guarantees(levels: Iterable[Guarantee], found: Evaluation) -> Table:
    """One row per level, with the effect of its threshold on the evaluation's rows."""
    return Table(
        ("alpha", "delta", "risk", "routed here", "misrouted of it", "what is guaranteed"),
        tuple(
            (
                f"{level.alpha:g}",
                f"{level.delta:g}",
                level.risk,
                *_effect(level, found),
                level.sentence(),
            )
            for level in levels
        ),
    )


def _effect(level: Guarantee, found: Evaluation) -> tuple[str, str]:
    if level.threshold is None:
        return "nothing", "-"
    point = found.risk_coverage.at(level.threshold)
    return f"{point.coverage:.1%}", f"{point.risk:.2%}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
