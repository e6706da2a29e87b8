"""The learning curve as `curve.json`, `curve.md` and `curve.png`.

The one file here that imports matplotlib; no display is needed, and nothing global is touched.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter

from deployments.niches.niche import Niche
from deployments.recipes.curve import BASE_ROWS, Point

__all__ = ["write_curve"]

_BLUE, _GREY = "#0072B2", "#555555"
_DPI = 120


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
            "alone, with the same system prompt. Steps are those until early stopping.",
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
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.errorbar(
        [point.rows for point in trained],
        [point.quality for point in trained],
        yerr=[
            [max(0, point.quality - point.low) for point in trained],  # but for rounding
            [max(0, point.high - point.quality) for point in trained],
        ],
        fmt="o-",
        color=_BLUE,
        capsize=4,
        label=f"{niche.name}, with 95 % intervals",
    )
    for point in points:
        if point.rows == BASE_ROWS:
            axes.axhline(
                point.quality, linestyle="--", color=_GREY, label="base model, same system prompt"
            )
    axes.set_xscale("log")
    # The sizes themselves, not the powers of ten between them.
    axes.xaxis.set_major_locator(FixedLocator([point.rows for point in trained]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(ylim=(-0.02, 1.02), xlabel="training rows", ylabel=f"quality ({niche.graders[0]})")
    axes.set_title(f"{niche.name}: learning curve, {points[0].test_rows:,} test rows")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, dpi=_DPI)
