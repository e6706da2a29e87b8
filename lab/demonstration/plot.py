"""The picture: who answered, and what the choice of models cost, over the stream.

The one file here that imports matplotlib. Colours are those of Okabe and Ito, which the
colour-blind tell apart; the generalist is grey.
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from lab.demonstration.records import Story, Transition
from lab.demonstration.regret import known, regret, scores
from lab.demonstration.shares import shares

WINDOW = 60
"""Requests that a share is of."""
_GREY = "#BBBBBB"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442", "#D55E00")
_LINES = {
    "selection": ("#000000", "-"),
    "always route": ("#D55E00", "--"),
    "all generalist": ("#777777", "-."),
    "per domain": ("#0072B2", ":"),
}
_DPI = 130


def draw(story: Story, generalist: str, planted: str, path: Path) -> None:
    """Draws it.

    Args:
        story: what happened; at least one request was answered.
        generalist: its name in the stack.
        planted: the specialist with the adapter of another niche.
        path: a PNG file.
    """
    figure = Figure(figsize=(10, 8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _shares(above, story, generalist, planted)
    _regret(below, story, generalist)
    _marks(above, below, story)
    figure.savefig(path, dpi=_DPI)


def _shares(axes: Axes, story: Story, generalist: str, planted: str) -> None:
    answered = [of for of in story.requests if of.model is not None]
    found = shares([of.model or "" for of in answered], WINDOW)
    names = sorted(found, key=lambda name: (name == generalist, name))
    colours = [
        _GREY if name == generalist else _COLOURS[place % len(_COLOURS)]
        for place, name in enumerate(names)
    ]
    numbers = [of.number for of in answered]
    told = [f"{name} (planted)" if name == planted else name for name in names]
    axes.stackplot(numbers, [found[name] for name in names], labels=told, colors=colours)
    axes.set_ylim(0, 1)
    axes.set_xlim(1, max(2, *numbers))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel(f"share of the latest {WINDOW} requests")
    handles, labels = axes.get_legend_handles_labels()
    # From the top of the stack to its bottom.
    axes.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1, 0.5))


def _regret(axes: Axes, story: Story, generalist: str) -> None:
    complete = known(story.requests, generalist)
    numbers = [of.number for of in complete]
    for way, values in regret(scores(complete, generalist)).items():
        colour, style = _LINES[way]
        width = 2.2 if way == "selection" else 1.6
        axes.plot(numbers, values, style, color=colour, linewidth=width, label=way)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("regret against the oracle, summed")
    axes.set_xlabel("requests")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid(alpha=0.3)


def _marks(above: Axes, below: Axes, story: Story) -> None:
    """A line for each move that evidence made, dotted if no traffic moved, and for the swap."""
    moves = [of for of in story.transitions if of.by == "evidence"]
    for place, moved in enumerate(moves):
        style = "--" if "active" in (moved.before, moved.after) else ":"
        _mark(above, below, story.sent_by(moved.time), style)
        height = 0.98 - 0.07 * (place % 8)
        _word(above, story.sent_by(moved.time), height, _told(moved))
    for phase in story.phases[1:]:
        _mark(above, below, story.sent_by(phase.time), "-")
        _word(above, story.sent_by(phase.time), 0.03, f"swap: {phase.generalist}")


def _mark(above: Axes, below: Axes, number: int, style: str) -> None:
    for axes in (above, below):
        axes.axvline(number, color="black", linestyle=style, linewidth=1)


def _word(axes: Axes, number: int, height: float, text: str) -> None:
    right = number > 0.75 * axes.get_xlim()[1]  # else it would leave the picture
    axes.annotate(
        text,
        (number, height),
        xytext=(-4 if right else 4, 0),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top" if height > 0.5 else "bottom",
        fontsize=8,
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
    )


def _told(moved: Transition) -> str:
    return f"{moved.specialist}: {moved.after} after {moved.pairs} pairs"
