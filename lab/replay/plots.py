"""The pictures of a replay, as PNG files."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from lab.replay.frontier import hull
from lab.replay.policies import INSTANCE_ORACLE
from lab.replay.replay import MIX, PolicyFigures, Replay
from lab.statistics.plots import (
    BLUE,
    GREEN,
    GREY,
    LIGHT_GREY,
    ORANGE,
    PINK,
    YELLOW,
    save,
    single_axes,
)

_COLOURS = (BLUE, GREEN, PINK, YELLOW)
_DASHES = ("--", "-.")


def draw(found: Replay, folder: Path) -> tuple[Path, ...]:
    """Draws both pictures; a folder's earlier ones are replaced.

    Args:
        found: the replay.
        folder: the output folder, which exists.

    Returns:
        The files.
    """
    frontier, lift = folder / "frontier.png", folder / "lift.png"
    draw_frontier(found, frontier)
    draw_lift(found, lift)
    return frontier, lift


def draw_frontier(found: Replay, path: Path) -> None:
    """Quality over cost: each policy's curve, the models, and the Pareto front."""
    figure, axes = single_axes(8, 6)
    for of, style in _styled(found):
        axes.plot([p.cost for p in of.points], [p.quality for p in of.points], **style)
        if not of.oracle:
            dots = {"color": style["color"], "linestyle": ":", "label": f"shuffle of {of.name}"}
            costs = [p.shuffle_cost for p in of.points]
            axes.plot(costs, [p.shuffle_quality for p in of.points], **dots)
    axes.plot(
        [of.cost for of in found.front],
        [of.quality for of in found.front],
        ".",
        color="black",
        markersize=3,
        label="Pareto front",
    )
    _models(axes, found)
    axes.set_xlabel("mean cost of a prompt")
    axes.set_ylabel("mean score")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title(f"Quality over cost, {found.prompts:,} prompts")
    axes.grid(alpha=0.3)
    save(figure, path, legend_columns=2)


def draw_lift(found: Replay, path: Path) -> None:
    """Each policy's score minus its shuffle's: the gain from reading the prompt."""
    figure, axes = single_axes(8, 6)
    axes.axhline(0, color=GREY, linewidth=1, label="shuffle: same shares, ignoring the prompt")
    for of, style in _styled(found):
        if of.name == INSTANCE_ORACLE:  # it would flatten the other curves
            continue
        costs = [point.cost for point in of.points]
        lifts = [100 * (point.quality - point.shuffle_quality) for point in of.points]
        axes.plot(costs, lifts, **style)
    axes.set_xlabel("mean cost of a prompt")
    axes.set_ylabel("points of score above the shuffle")
    axes.set_title(f"Gain from reading the prompt, {found.prompts:,} prompts")
    axes.grid(alpha=0.3)
    save(figure, path, legend_columns=2)


def _styled(found: Replay) -> list[tuple[PolicyFigures, dict[str, Any]]]:
    """The policies with points, each with its line style; oracles are grey dashed lines."""
    with_points = [policy for policy in found.policies if policy.points]
    real = [with_point for with_point in with_points if not with_point.oracle]
    ceilings = [with_point for with_point in with_points if with_point.oracle]
    looks: list[tuple[PolicyFigures, dict[str, Any]]] = []
    for place, of in enumerate(real):
        colour = _COLOURS[place % len(_COLOURS)]
        looks.append((of, {"color": colour, "linewidth": 2, "label": of.name}))
    for place, of in enumerate(ceilings):
        dashes = _DASHES[place % len(_DASHES)]
        label = f"{of.name} (a ceiling)"
        looks.append((of, {"color": LIGHT_GREY, "linestyle": dashes, "label": label}))
    return looks


def _models(axes: Axes, found: Replay) -> None:
    costs = np.array([model.cost for model in found.models])
    scores = np.array([model.quality.value for model in found.models])
    axes.plot(*hull(costs, scores), color=ORANGE, linewidth=1, label=MIX)
    axes.plot(costs, scores, "o", color=ORANGE, markeredgecolor="white", markersize=8)
    middle = costs.mean()
    for model in found.models:
        axes.annotate(
            model.name,
            (model.cost, model.quality.value),
            textcoords="offset points",
            xytext=(-7 if model.cost > middle else 7, -3),
            ha="right" if model.cost > middle else "left",
            fontsize=8,
        )
