"""The style of all plots: colours, resolution, position of the legend.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish. Plots need no
display and change no global state. Importing matplotlib takes a second, so callers import this only
when they draw.
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
PINK, YELLOW = "#CC79A7", "#E69F00"
GREY, LIGHT_GREY = "#555555", "#999999"

_DPI = 120


def single_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one plot; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def save(figure: Figure, path: Path, legend_columns: int = 0) -> None:
    """Writes the figure, with an optional legend below it."""
    if legend_columns:
        figure.legend(loc="outside lower left", ncols=legend_columns, frameon=False, fontsize=9)
    figure.savefig(path, dpi=_DPI)
