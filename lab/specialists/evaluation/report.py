"""Reports a run's figures as tables, and as `matrix.md`, `matrix.json` and `matrix.png`.

Nothing is left out: each niche that its specialist does not win, or in which it is not cheaper,
gets a sentence.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from lab.specialists.evaluation.answers import Degeneration
from lab.specialists.evaluation.matrix import Cell, Column, Cost, Matrix, Verdict
from lab.specialists.evaluation.run import Report
from lab.statistics.interval import Interval
from lab.statistics.plots import ORANGE, save, single_axes
from lab.statistics.table import Table

_ABSENT = "-"
_DARK = 0.55
"""Above this value the cell is dark enough for white text."""

MARKDOWN = "matrix.md"
"""The file that marks a folder of results."""


def write_report(folder: Path, report: Report, about: Sequence[str]) -> tuple[Path, ...]:
    """Writes the three files and returns them.

    Args:
        folder: an existing folder.
        report: the figures.
        about: lines that describe the setup.
    """
    markdown, data, picture = (folder / f"matrix.{kind}" for kind in ("md", "json", "png"))
    _draw(report.matrix, picture)
    notes = [*about, *report.plan.notes]
    parts = [
        "# Niche matrix",
        "\n".join(f"- {line}" for line in notes),
        f"![quality by model and set]({picture.name})",
        "\n".join(f"- {line}" for line in sentences(report.matrix)),
        *(table.markdown() for table in tables(report)),
    ]
    markdown.write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")
    data.write_text(json.dumps(_figures(report, notes), indent=2) + "\n", encoding="utf-8")
    return markdown, data, picture


def _figures(report: Report, notes: Sequence[str]) -> dict[str, Any]:
    found = report.matrix
    return {
        "about": list(notes),
        "columns": [asdict(column) for column in found.spec.columns],
        "cells": [asdict(cell) for cell in found.cells],
        "verdicts": [_verdict(verdict) for verdict in found.verdicts],
        "diagonal_dominance": found.dominance and asdict(found.dominance),
        "degeneration": [
            _degeneration(asdict(degeneration)) for degeneration in report.degenerations
        ],
        "models": [
            {
                "name": candidate.name,
                "base": candidate.weights.reference,
                **candidate.weights.identity,
                "shape": asdict(report.shapes[candidate.name]),
            }
            for candidate in report.plan.candidates
        ],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        **asdict(verdict),
        "against_best": _cost(verdict.against_best),
        "against_zero_shot": _cost(verdict.against_zero_shot),
        "keeps_its_place": verdict.keeps_its_place,
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {**asdict(cost), "cheaper": cost.cheaper}


def _degeneration(figures: dict[str, Any]) -> dict[str, Any]:
    """Without nan figures, which JSON cannot hold."""
    return {
        name: value if not isinstance(value, dict) or value["answers"] else {"answers": 0}
        for name, value in figures.items()
    }


def tables(report: Report) -> tuple[Table, ...]:
    """All tables; the verdicts only if there is a specialist."""
    found = report.matrix
    wide = [
        _quality_table(found),
        _cost_table(found),
        _degeneration_table(report),
        _model_table(report),
    ]
    if found.verdicts:
        wide.insert(1, _verdict_table(found))
    return tuple(wide)


def sentences(found: Matrix) -> Iterator[str]:
    """The tables in words: one sentence per verdict, then the dominance index."""
    for verdict in found.verdicts:
        yield _sentence(verdict)
    if found.dominance is not None:
        yield (
            f"Diagonal dominance: {_interval(found.dominance)} "
            "(1: each specialist is right in its niche alone; 0: all are alike)."
        )


def _sentence(verdict: Verdict) -> str:
    costs = (verdict.against_best, verdict.against_zero_shot)
    more_expensive = [cost.baseline for cost in costs if not cost.cheaper]
    said = (
        f"{verdict.column}: {verdict.specialist} {verdict.outcome} against {verdict.baseline} by "
        f"{_interval(verdict.difference, '+')}"
    )
    if more_expensive:
        return f"{said}, and is not cheaper than {' or '.join(dict.fromkeys(more_expensive))}."
    return f"{said}, and is cheaper."


def _quality_table(found: Matrix) -> Table:
    rows = [
        (model, *(_cell_quality(found.cell(model, column.name)) for column in found.spec.columns))
        for model in found.spec.models
    ]
    return Table(
        ("model", *(column.name for column in found.spec.columns)),
        tuple(rows),
        title="Quality",
        note="Share of right answers, or micro-F1 where answers are lists, with 95 % intervals.",
    )


def _verdict_table(found: Matrix) -> Table:
    titles = ("niche", "specialist", "best generalist", "difference", "outcome")
    return Table(
        (*titles, "of best: FLOPs", "seconds", "of zero-shot: FLOPs", "seconds", "keeps its place"),
        tuple(
            (
                *(
                    verdict.column,
                    verdict.specialist,
                    verdict.baseline,
                    _interval(verdict.difference, "+"),
                    verdict.outcome,
                ),
                *_shares(verdict.against_best),
                *_shares(verdict.against_zero_shot),
                "yes" if verdict.keeps_its_place else "NO",
            )
            for verdict in found.verdicts
        ),
        title="Specialists against the generalist",
        note=(
            "Differences are paired over the rows. FLOPs and engine seconds of the specialist's "
            "requests as a share of the generalist's, asked at its best and asked zero-shot. A "
            "specialist keeps its place where it wins and is cheaper than both."
        ),
    )


def _cost_table(found: Matrix) -> Table:
    # Further measures of a set use the same answers.
    columns = {column.rows_of: column for column in reversed(found.spec.columns)}
    shown = [column for column in found.spec.columns if columns[column.rows_of] == column]
    rows = [
        (model, *(_cell_cost(found.cell(model, of.name)) for of in shown))
        for model in found.spec.models
    ]
    return Table(
        ("model", *(of.name for of in shown)),
        tuple(rows),
        title="Cost of a request",
        note="Computed GFLOPs, and measured engine milliseconds (a batch's time, shared by its "
        "rows).",
    )


def _degeneration_table(report: Report) -> Table:
    return Table(
        (
            *("model", "answers at home", "looping", "cut", "mean tokens"),
            *("answers elsewhere", "looping", "cut", "mean tokens"),
        ),
        tuple(
            (
                degeneration.model,
                *_degenerate(degeneration.home),
                *_degenerate(degeneration.elsewhere),
            )
            for degeneration in report.degenerations
        ),
        title="Degeneration",
        note="At home is the own niche's sets, and all sets for a generalist.",
    )


def _model_table(report: Report) -> Table:
    rows = []
    for candidate in report.plan.candidates:
        shape, weights = report.shapes[candidate.name], candidate.weights
        adapter = weights.adapter.sha256[:12] if weights.adapter else _ABSENT
        size = f"{shape.linear_weights / 1e6:.1f}"
        rows.append((candidate.name, weights.reference, adapter, str(shape.layers), size))
    return Table(
        ("model", "base", "adapter (sha256)", "layers", "weights"),
        tuple(rows),
        title="Models",
        note="Weights are those of the layers, in millions, without embedding and head.",
    )


def _cell_quality(cell: Cell | None) -> str:
    return _ABSENT if cell is None else _interval(cell.quality)


def _cell_cost(cell: Cell | None) -> str:
    return _ABSENT if cell is None else f"{cell.flops / 1e9:.1f}, {cell.seconds * 1e3:.0f} ms"


def _interval(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def _shares(cost: Cost) -> tuple[str, str]:
    return f"{cost.flops:.2f}", f"{cost.seconds:.2f}"


def _degenerate(degeneration: Degeneration) -> tuple[str, ...]:
    if math.isnan(degeneration.looping):
        return ("0", *([_ABSENT] * 3))
    return (
        str(degeneration.answers),
        f"{degeneration.looping:.1%}",
        f"{degeneration.cut:.1%}",
        f"{degeneration.mean_tokens:.1f}",
    )


def _draw(found: Matrix, path: Path) -> None:
    """A row per model, a column per set and measure, the quality and its interval in each cell.

    Each specialist's own niche is outlined; cells without answers are grey.

    Args:
        found: the figures.
        path: the file, replaced if it exists.
    """
    models, columns = found.spec.models, found.spec.columns
    cells = [[found.cell(model, column.name) for column in columns] for model in models]
    shown = [[np.nan if cell is None else cell.quality.value for cell in row] for row in cells]
    width, height = 1.15 * len(columns) + 3.2, 0.62 * len(models) + 2.0
    figure, axes = single_axes(width, height)
    axes.set_facecolor("#DDDDDD")
    image = axes.imshow(np.array(shown), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), [_broken(of.name) for of in columns], fontsize=9)
    axes.set_yticks(range(len(models)), models, fontsize=9)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(models) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    for row, of_model in enumerate(cells):
        for place, cell in enumerate(of_model):
            if cell is not None:
                _number(axes, place, row, cell)
    _outline(axes, found, columns)
    if found.spec.specialists:
        # Specialists are above the line, generalists below.
        axes.axhline(len(set(found.spec.specialists.values())) - 0.5, color="black", linewidth=1)
    title = "Quality by model and set, with 95 % intervals; outlined: a specialist in its own niche"
    axes.set_title(title, fontsize=10, loc="left")
    figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02, label="quality")
    save(figure, path)


def _broken(name: str) -> str:
    """A column's name, on two lines if it has a measure or a further set."""
    return name.replace(" (", "\n(").replace("/", "/\n")


def _number(axes: Axes, place: int, row: int, cell: Cell) -> None:
    of = cell.quality
    colour = "white" if of.value > _DARK else "black"
    centre: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
    axes.text(place, row - 0.08, f"{of.value:.2f}", fontsize=11, **centre)
    axes.text(place, row + 0.26, f"{of.low:.2f} to {of.high:.2f}", fontsize=7, **centre)


def _outline(axes: Axes, found: Matrix, columns: tuple[Column, ...]) -> None:
    for place, column in enumerate(columns):
        specialist = found.spec.specialists.get(column.niche or "")
        if column.home and specialist is not None:
            row = found.spec.models.index(specialist)
            corner, side = (place - 0.48, row - 0.47), 0.96
            # Drawn above the grid, which would cover it.
            style: dict[str, Any] = {"edgecolor": ORANGE, "linewidth": 3, "zorder": 5}
            axes.add_patch(Rectangle(corner, side, 0.94, fill=False, **style))
