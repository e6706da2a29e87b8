"""What the pictures of all curves have in common."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from lab.specialists.recipes.points import Graded
from lab.statistics import plots
from lab.statistics.plots import BLUE, single_axes


def curve_axes(title: str, xlabel: str, ylabel: str) -> Axes:
    """Axes of a new figure, quality from nothing to all on the upright one."""
    _, axes = single_axes(6, 4.2)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(ylim=(-0.02, 1.05), xlabel=xlabel, ylabel=ylabel, title=title)
    axes.grid(alpha=0.3)
    return axes


def draw_quality(axes: Axes, places: Sequence[float], points: Sequence[Graded], label: str) -> None:
    """The points' quality with their intervals, joined by a line."""
    axes.errorbar(
        places,
        [point.quality for point in points],
        yerr=[
            [max(0, point.quality - point.low) for point in points],  # but for rounding
            [max(0, point.high - point.quality) for point in points],
        ],
        fmt="o-",
        color=BLUE,
        capsize=4,
        label=label,
    )


def save(axes: Axes, path: Path) -> None:
    """Adds the legend below, and writes the picture."""
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    plots.save(figure, path, legend_columns=2)
