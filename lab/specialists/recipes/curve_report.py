"""The learning curve as `curve.json`, `curve.md` and `curve.png`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from lab.specialists.niches.niche import Niche
from lab.specialists.recipes.curve import BASE_ROWS, Point
from lab.specialists.recipes.points_plot import curve_axes, draw_quality, save

_GREY = "#555555"


def write_curve(niche: Niche, base: str, points: Sequence[Point], folder: Path) -> None:
    """Writes the three files; those that are there are replaced.

    Args:
        niche: whose curve it is.
        base: the base model's name.
        points: the base model's, then by size; at least one.
        folder: made where it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "niche": niche.name,
        "base": base,
        "grader": niche.graders[0],
        "datasets": {item.path: item.sha256 for item in niche.sources},
        "points": [asdict(point) for point in points],
    }
    (folder / "curve.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / "curve.md").write_text(_table(niche, base, points), encoding="utf-8")
    _draw(niche, points, folder / "curve.png")


def _table(niche: Niche, base: str, points: Sequence[Point]) -> str:
    return "\n".join(
        [
            f"# {niche.name}: quality by training rows, on {base}",
            "",
            "| training rows | quality [95 % interval] | cut at the limit | tokens per answer "
            "| epochs | steps | seconds |",
            "|---|---|---|---|---|---|---|",
            *(_line(point) for point in points),
            "",
            f"Graded by `{niche.graders[0]}` on the same {points[0].test_rows:,} test rows, greedy "
            "decoding. Rows of a smaller size are among those of a larger one; 0 is the base model "
            "alone, with the same system prompt. Steps are those until early stopping, which "
            "looks at validation rows; these come on top of every size.",
            "",
        ]
    )


def _line(point: Point) -> str:
    return (
        f"| {point.rows:,} | {point.quality:.3f} [{point.low:.3f}, {point.high:.3f}] "
        f"| {point.cut / point.test_rows:.1%} | {point.mean_answer_tokens:.1f} "
        f"| {point.epochs} | {point.steps:,} | {point.seconds:,.0f} |"
    )


def _draw(niche: Niche, points: Sequence[Point], path: Path) -> None:
    trained = [point for point in points if point.rows > BASE_ROWS]
    title = f"{niche.name}: learning curve, {points[0].test_rows:,} test rows"
    axes = curve_axes(title, "training rows", f"quality ({niche.graders[0]})")
    sizes = [point.rows for point in trained]
    draw_quality(axes, sizes, trained, f"{niche.name}, with 95 % intervals")
    for point in points:
        if point.rows == BASE_ROWS:
            axes.axhline(
                point.quality, linestyle="--", color=_GREY, label="base model, same system prompt"
            )
    axes.set_xscale("log")
    # The sizes themselves, not the powers of ten between them.
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    save(axes, path)
