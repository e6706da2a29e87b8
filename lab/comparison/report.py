"""Writes a comparison as text, as `report.json` and as one HTML file.

The page is self-contained: no external scripts, fonts or images.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from lab.comparison import charts
from lab.comparison.charts import COST_TITLES, kind_of
from lab.comparison.costs import COST_KINDS, CostKind
from lab.comparison.experiment import AUTO, GENERALIST, SHUFFLE
from lab.comparison.figures import Example, Figures
from lab.comparison.formatting import percent, points, points_between, signed_seconds, whole
from lab.comparison.tables import (
    arms_table,
    domains_table,
    latency_table,
    pairs_table,
    routes_table,
    selection_table,
)
from lab.comparison.verdict import Verdict
from lab.statistics.bootstrap import RESAMPLES
from lab.statistics.interval import Interval
from lab.statistics.table import Table

_STYLE = Path(__file__).parent / "style.css"
_LONGEST_TEXT = 600


def terminal(figures: Figures, found: Verdict) -> str:
    """The verdict, its notes, and the tables."""
    tables: list[Table | None] = [
        arms_table(figures),
        pairs_table(figures),
        domains_table(figures),
        routes_table(figures),
        selection_table(figures),
        latency_table(figures),
    ]
    shown = [f"{table.text()}\n{table.note}" for table in tables if table is not None]
    return "\n\n".join([found.line, "\n".join(found.notes), *shown])


def write_report(
    folder: Path, figures: Figures, found: Verdict, margin: float, about: Sequence[str]
) -> tuple[Path, ...]:
    """Writes `report.json` and `report.html`, and returns them.

    Args:
        folder: an existing folder.
        figures: the figures.
        found: the verdict.
        margin: the margin, fixed before the first request.
        about: lines that describe the setup.
    """
    data, html = folder / "report.json", folder / "report.html"
    fields: dict[str, Any] = {
        "verdict": asdict(found),
        "about": list(about),
        "margin": margin,
        "figures": asdict(figures),
    }
    data.write_text(json.dumps(fields, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    html.write_text(page(figures, found, margin, about), encoding="utf-8")
    return data, html


def page(figures: Figures, found: Verdict, margin: float, about: Sequence[str]) -> str:
    """The HTML page.

    Args:
        figures: the figures.
        found: the verdict.
        margin: the margin, fixed before the first request.
        about: lines that describe the setup.
    """
    parts = [
        _hero(figures, found),
        _section("Quality and cost", _QUALITY_COST_NOTE, _quality_cost(figures, found.cost_kind)),
        _section("By domain", _domain_note(margin), _domains(figures, margin)),
        _of_table(routes_table(figures)),
        _of_table(selection_table(figures)),
        _section("Latency", _LATENCY_NOTE, _latencies(figures)),
        _section("Cost of capacity", _capacity_note(figures), _capacity(figures)),
        _of_table(arms_table(figures)),
        _of_table(pairs_table(figures)),
        _section("Prompts on which they differ", _EXAMPLES_NOTE, _examples(figures.examples)),
        _section("How it was measured", "", _how(figures, margin, about)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(found.kind)}</title><style>{_STYLE.read_text(encoding='utf-8')}</style>"
        f"</head><body><main>{''.join(parts)}</main></body></html>\n"
    )


_SUBJECT = "Does routing pay, against one model for everything?"
_QUALITY_COST_NOTE = (
    "Up is better, left is cheaper. Bars are 95 % intervals. On the dotted line no other arm is "
    "better and cheaper at once. Hollow: shuffle assigns auto's models at random, at the same "
    "shares; oracle gives each domain to the model that answers it best."
)
_LATENCY_NOTE = "How many answers took no longer. Left is faster."
_EXAMPLES_NOTE = "Prompts on which one of the two did better."


def _domain_note(margin: float) -> str:
    return (
        "Difference in quality on the same prompts, with 95 % intervals. The dashed line is the "
        f"margin of {points(margin, sign='')} points that was fixed beforehand; p is McNemar's "
        "exact test, corrected for the number of domains (Holm)."
    )


def _capacity_note(figures: Figures) -> str:
    even = figures.break_even
    break_even = (
        "Routing costs more at all traffic shown here."
        if even is None
        else f"From {whole(even)} requests per hour on, routing costs no more."
    )
    return (
        "The cost per request of all replicas needed, idle or not; their number is the one "
        f"that `niche plan` computes. auto needs every model, the generalist one. {break_even}"
    )


def _section(title: str, note: str, body: str) -> str:
    if not body:
        return ""
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _of_table(table: Table | None) -> str:
    return "" if table is None else _section(table.title, table.note, table.html())


def _hero(figures: Figures, found: Verdict) -> str:
    mood = "good" if found.good else "plain"
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    tiles = "".join(_tiles(figures, found))
    return (
        f'<header class="{mood}"><p class="kind">{_SUBJECT}</p>'
        f"<h1>{escape(found.line)}</h1></header>"
        f'<div class="tiles">{tiles}</div><ul class="notes">{notes}</ul>'
    )


def _tiles(figures: Figures, found: Verdict) -> Iterator[str]:
    main, mix = figures.pair(AUTO, GENERALIST), figures.pair(AUTO, SHUFFLE)
    if main is None:
        return
    saving = main.costs[found.cost_kind] if found.cost_kind else None
    if found.cost_kind is not None and saving is not None:
        sign = "+" if saving.value > 0 else "\u2212"
        size = f"{sign}{percent(abs(saving.value))}"
        yield _tile(COST_TITLES[found.cost_kind], size, f"{points_between(saving)} %")
    gain = main.quality.difference
    yield _tile("Quality", f"{points(gain.value)} pts", points_between(gain))
    if mix is not None:
        over = mix.quality.difference
        yield _tile("Over a random mix", f"{points(over.value)} pts", points_between(over))
    for key, title in (("first_seconds", "First token, p50"), ("seconds", "Complete answer, p50")):
        found_at = main.latencies.get(key)
        if found_at is not None:
            yield _tile(title, *_change(found_at.p50))


def _change(interval: Interval) -> tuple[str, str]:
    low, value, high = map(signed_seconds, (interval.low, interval.value, interval.high))
    return value, f"{low} to {high}"


def _tile(title: str, size: str, between: str) -> str:
    return (
        f'<div class="tile"><span>{escape(title)}</span><strong>{escape(size)}</strong>'
        f"<small>{escape(between)}</small></div>"
    )


def _quality_cost(figures: Figures, first: CostKind | None) -> str:
    if first is None:
        return ""
    others = [kind for kind in COST_KINDS if kind != first]
    small = (charts.quality_cost(figures, kind, large=False) for kind in others)
    pair = "".join(f"<figure>{chart}</figure>" for chart in small if chart)
    return f"{charts.quality_cost(figures, first, large=True)}<div class='pair'>{pair}</div>"


def _domains(figures: Figures, margin: float) -> str:
    return charts.domain_differences(figures, margin) + domains_table(figures).html()


def _latencies(figures: Figures) -> str:
    drawn = "".join(f"<figure>{chart}</figure>" for chart in charts.latencies(figures))
    if not drawn:
        return ""
    timed = [arm.name for arm in figures.arms if arm.latencies]
    table = latency_table(figures)
    return (
        f'{_keys(timed)}<div class="pair">{drawn}</div>'
        f"<details><summary>In numbers</summary>"
        f'<p class="note">{escape(table.note)}</p>{table.html()}</details>'
    )


def _keys(arms: Sequence[str]) -> str:
    """The chart's legend."""
    keys = "".join(f'<span class="key {kind_of(arm)}">{escape(arm)}</span>' for arm in arms)
    return f'<p class="keys">{keys}</p>'


def _capacity(figures: Figures) -> str:
    drawn = charts.capacity_curve(figures)
    return f"{_keys((AUTO, GENERALIST))}{drawn}" if drawn else ""


def _examples(examples: Sequence[Example]) -> str:
    return "".join(_example(example) for example in examples)


def _example(example: Example) -> str:
    kind, words = (
        ("wins", "auto is better") if example.gain > 0 else ("loses", "generalist is better")
    )
    lines_of = {
        "prompt": example.prompt,
        "right answer": example.answer,
        f"auto ({example.auto_model})" if example.auto_model else AUTO: example.auto,
        GENERALIST: example.generalist,
    }
    lines = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(_short(text)) or '<i>nothing</i>'}</dd>"
        for name, text in lines_of.items()
    )
    head = f'<span class="tag {kind}">{words}</span> {escape(example.domain)}'
    title = f"{head}: {escape(_short(example.prompt, 90))}"
    return f"<details><summary>{title}</summary><dl>{lines}</dl></details>"


def _short(text: str, most: int = _LONGEST_TEXT) -> str:
    flat = " ".join(text.split()) if most < _LONGEST_TEXT else text
    return flat if len(flat) <= most else f"{flat[:most]} ..."


def _how(figures: Figures, margin: float, about: Sequence[str]) -> str:
    same = figures.aa_test
    lines = [
        *about,
        f"{whole(figures.rows)} prompts, {whole(figures.groups)} of them independent; margin "
        f"{points(margin, sign='')} points.",
        f"Intervals: paired bootstrap over prompts or their groups, {RESAMPLES:,} draws, with two "
        "pseudo-observations, a win and a loss, so that few prompts give wide intervals.",
        "A difference counts if its interval excludes zero and McNemar's exact test has p "
        "below 0.05.",
    ]
    if same is not None:
        lines.append(
            f"A/A test: the generalist against itself, {same.repetitions} times on {same.pairs} "
            f"pairs of prompts: no difference in {same.without_difference}."
        )
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
