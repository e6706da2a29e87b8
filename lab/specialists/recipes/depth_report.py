"""The depth curve as `depth.json`, `depth.md` and `depth.png`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.ticker import PercentFormatter

from deployments.models.adapters import Adapter
from lab.specialists.niches.niche import Niche
from lab.specialists.recipes.depth import DepthPoint
from lab.specialists.recipes.points_plot import curve_axes, draw_quality, save

_ORANGE = "#D55E00"


def write_depth(niche: Niche, whole: Adapter, points: Sequence[DepthPoint], folder: Path) -> None:
    """Writes the three files; those that are there are replaced.

    Args:
        niche: whose curve it is.
        whole: the specialist that all depths start from.
        points: at least one.
        folder: made where it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "niche": niche.name,
        "base": whole.base,
        "adapter": whole.sha256,
        "grader": niche.graders[0],
        "datasets": {item.path: item.sha256 for item in niche.sources},
        "points": [asdict(point) for point in points],
    }
    (folder / "depth.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / "depth.md").write_text(_table(niche, whole, points), encoding="utf-8")
    _draw(niche, points, folder / "depth.png")


def _table(niche: Niche, whole: Adapter, points: Sequence[DepthPoint]) -> str:
    return "\n".join(
        [
            f"# {niche.name}: quality by layers kept, on {whole.base}",
            "",
            "| layers | quality [95 % interval] | compute per request | cut at the limit "
            "| tokens per answer | validation loss | steps | seconds |",
            "|---|---|---|---|---|---|---|---|",
            *(_line(point) for point in points),
            "",
            f"Graded by `{niche.graders[0]}` on the same {points[0].test_rows:,} test rows, greedy "
            "decoding. The layers that are dropped are those whose absence costs the least; what "
            "is left starts with the whole specialist's weights and is trained on, at full depth "
            "too. Compute is the operations of a request of mean length, as a share of the whole "
            "specialist's; the head, which stays, is part of it.",
            "",
        ]
    )


def _line(point: DepthPoint) -> str:
    return (
        f"| {point.layers} ({point.fraction:.0%}) "
        f"| {point.quality:.3f} [{point.low:.3f}, {point.high:.3f}] "
        f"| {point.flops / 1e9:.2f} GFLOP ({point.compute:.0%}) "
        f"| {point.cut / point.test_rows:.1%} | {point.mean_answer_tokens:.1f} "
        f"| {point.validation_loss:.4f} | {point.steps:,} | {point.seconds:,.0f} |"
    )


def _draw(niche: Niche, points: Sequence[DepthPoint], path: Path) -> None:
    ordered = sorted(points, key=lambda point: point.fraction)
    fractions = [point.fraction for point in ordered]
    title = f"{niche.name}: quality by depth, {points[0].test_rows:,} test rows"
    axes = curve_axes(title, "layers kept", f"quality ({niche.graders[0]})")
    draw_quality(axes, fractions, ordered, "quality, with 95 % intervals")
    axes.plot(
        fractions,
        [point.compute for point in ordered],
        "s--",
        color=_ORANGE,
        label="compute per request, of the whole specialist's",
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    save(axes, path)
