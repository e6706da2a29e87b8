"""How pictures look: one set of colours, one resolution, one place for the legend.

Colours are those of Okabe and Ito, which the colour-blind tell apart. No display is needed, and
nothing global is touched. Importing matplotlib takes a second: whoever draws imports this then.
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
PINK, YELLOW = "#CC79A7", "#E69F00"
GREY, LIGHT_GREY = "#555555", "#999999"

_DPI = 120


def single_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one picture; inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def save(figure: Figure, path: Path, legend_columns: int = 0) -> None:
    """Writes the picture, with a legend below it if it shall have one."""
    if legend_columns:
        figure.legend(loc="outside lower left", ncols=legend_columns, frameon=False, fontsize=9)
    figure.savefig(path, dpi=_DPI)
