"""Differences by domain, a row each: a table in which one cell is drawn."""

from collections.abc import Iterator, Sequence
from html import escape

from lab.comparison.figures import DomainFigures, Figures
from lab.comparison.lineup import AUTO, GENERALIST
from lab.comparison.report.svg import Scale, line, text
from lab.comparison.words import points, points_between
from lab.statistics.paired import Outcome, Paired

_WIDTH, _HEIGHT = 420.0, 30.0
_WORDS: dict[Outcome, str] = {"wins": "better", "ties": "not shown", "loses": "worse"}


def forest(figures: Figures, margin: float) -> str:
    """The differences between `auto` and the generalist; those of all prompts at the end."""
    main = figures.beside(AUTO, GENERALIST)
    if main is None:
        return ""
    scale = _scale([*(domain.quality for domain in figures.domains), main.quality], margin)
    rows = [_row(domain, scale, margin) for domain in figures.domains]
    whole = _cells("all prompts", main.quality, main.quality.p_value, main.quality.outcome)
    rows.append(_html(whole, main.quality, scale, margin, "whole"))
    heads = (
        "domain",
        "prompts",
        "auto less generalist, points",
        "",
        "won, alike, lost",
        "p",
        "difference",
    )
    head = "".join(f"<th>{escape(of)}</th>" for of in heads)
    return (
        f'<table class="forest"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}'
        f"<tr><td></td><td></td><td>{_axis(scale)}</td><td></td><td></td><td></td><td></td></tr>"
        "</tbody></table>"
    )


def _scale(pairs: Sequence[Paired], margin: float) -> Scale:
    reach = [abs(end) for of in pairs for end in (of.difference.low, of.difference.high)]
    farthest = max([*reach, 2 * margin]) * 1.05
    return Scale(-farthest, farthest, 10.0, _WIDTH - 10.0)


def _row(domain: DomainFigures, scale: Scale, margin: float) -> str:
    cells = _cells(domain.domain, domain.quality, domain.corrected_p, domain.outcome)
    return _html(cells, domain.quality, scale, margin, domain.outcome)


def _cells(name: str, found: Paired, p_value: float, outcome: Outcome) -> list[str]:
    size = f"{points(found.difference.value)} [{points_between(found.difference)}]"
    counts = f"{found.wins}, {found.ties}, {found.losses}"
    shown = "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
    return [name, f"{found.rows:,}", size, counts, shown, f"{outcome} {_WORDS[outcome]}"]


def _html(cells: Sequence[str], found: Paired, scale: Scale, margin: float, kind: str) -> str:
    name, rows, size, counts, p_value, said = cells
    outcome, words = said.split(" ", 1)
    drawn = f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}">{"".join(_marks(found, scale, margin))}'
    return (
        f'<tr class="{kind}"><td>{escape(name)}</td><td class="number">{rows}</td>'
        f'<td class="drawn">{drawn}</svg></td><td class="number">{size}</td>'
        f'<td class="number">{counts}</td><td class="number">{p_value}</td>'
        f'<td><span class="tag {outcome}">{words}</span></td></tr>'
    )


def _marks(found: Paired, scale: Scale, margin: float) -> Iterator[str]:
    middle = _HEIGHT / 2
    yield line([(scale(0), 0), (scale(0), _HEIGHT)], "zero")
    yield line([(scale(-margin), 0), (scale(-margin), _HEIGHT)], "margin")
    of, kind = found.difference, found.outcome
    yield line([(scale(of.low), middle), (scale(of.high), middle)], f"bar {kind}")
    yield f'<circle class="dot {kind}" cx="{scale(of.value)}" cy="{middle}" r="5"/>'


def _axis(scale: Scale) -> str:
    ticks = (text(scale(of), 12, f"{100 * of:+g}", "tick middle") for of in scale.ticks(6))
    return f'<svg viewBox="0 0 {_WIDTH:g} 16">{"".join(ticks)}</svg>'
