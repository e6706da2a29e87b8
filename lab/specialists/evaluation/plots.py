"""The matrix as a picture: a heat map, PNG."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from lab.specialists.evaluation.matrix import Cell, Column, Matrix
from lab.statistics.plots import ORANGE, save, single_axes

_DARK = 0.55
"""From here on the colour is dark enough for white letters."""


def draw_matrix(found: Matrix, path: Path) -> None:
    """A row per model, a column per set and measure, the quality and its interval in each cell.

    Each specialist's own niche is outlined; what was not asked is left grey.

    Args:
        found: the figures.
        path: the file, replaced if it exists.
    """
    models, columns = found.lineup.models, found.lineup.columns
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
    if found.lineup.specialists:
        # Specialists stand above the line, generalists below.
        axes.axhline(len(set(found.lineup.specialists.values())) - 0.5, color="black", linewidth=1)
    title = "Quality by model and set, with 95 % intervals; outlined: a specialist in its own niche"
    axes.set_title(title, fontsize=10, loc="left")
    figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02, label="quality")
    save(figure, path)


def _broken(name: str) -> str:
    """A column's name on two lines where it has a measure or a further set."""
    return name.replace(" (", "\n(").replace("/", "/\n")


def _number(axes: Axes, place: int, row: int, cell: Cell) -> None:
    of = cell.quality
    colour = "white" if of.value > _DARK else "black"
    centre: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
    axes.text(place, row - 0.08, f"{of.value:.2f}", fontsize=11, **centre)
    axes.text(place, row + 0.26, f"{of.low:.2f} to {of.high:.2f}", fontsize=7, **centre)


def _outline(axes: Axes, found: Matrix, columns: tuple[Column, ...]) -> None:
    for place, column in enumerate(columns):
        specialist = found.lineup.specialists.get(column.niche or "")
        if column.home and specialist is not None:
            row = found.lineup.models.index(specialist)
            corner, side = (place - 0.48, row - 0.47), 0.96
            # Above the grid, whose lines would cover it.
            style: dict[str, Any] = {"edgecolor": ORANGE, "linewidth": 3, "zorder": 5}
            axes.add_patch(Rectangle(corner, side, 0.94, fill=False, **style))
