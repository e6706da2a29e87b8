"""The pictures of a report, as PNG files."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from lab.routing.values import Confusion, Evaluation, Reliability
from lab.statistics.plots import BLUE, GREEN, GREY, ORANGE, save, single_axes
from router.guarantee import Guarantee

_MOST_NUMBERED = 25
"""With more domains, the numbers in the cells would be unreadable."""


def draw(found: Evaluation, folder: Path, guarantees: Sequence[Guarantee] = ()) -> tuple[Path, ...]:
    """Draws the available figures: no curve if no row belongs to a specialist, no confusion matrix
    if the classifier knows no row's domain.

    Args:
        found: the figures.
        folder: the output folder, which exists.
        guarantees: shown on the risk-coverage curve where they are feasible misroute bounds.

    Returns:
        The files.
    """
    confusion, reliability, curve = (
        folder / f"{name}.png" for name in ("confusion", "reliability", "risk_coverage")
    )
    drawn = []
    if found.domains:
        draw_confusion(found.confusion, confusion)
        draw_reliability(found.reliability, reliability)
        drawn += [confusion, reliability]
    if found.risk_coverage.points and not math.isnan(found.missed):
        draw_risk_coverage(found, curve, guarantees)
        drawn.append(curve)
    return tuple(drawn)


def draw_confusion(found: Confusion, path: Path) -> None:
    """A heat map: each row shows how a domain's rows were classified, as shares."""
    counts = np.array(found.counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = len(found.labels)
    numbered = labels <= _MOST_NUMBERED
    side = max(3.0, labels * (0.5 if numbered else 0.19))
    # The space left of the square holds the labels and the colour bar.
    figure, axes = single_axes(side + 2.6, side + 1.6)
    # The square root makes single mistakes visible next to a diagonal near 1.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    size = 9 if numbered else 6
    axes.set_xticks(range(labels), found.labels, rotation=90 if labels > 6 else 30, fontsize=size)
    axes.set_yticks(range(labels), found.labels, fontsize=size)
    axes.set_xlabel("first choice")
    axes.set_ylabel("belongs to")
    axes.set_title(f"Confusion, {int(counts.sum()):,} rows")
    if numbered:
        _number_cells(axes, counts, shares)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, format=PercentFormatter(1))
    bar.set_label("share of the row")
    save(figure, path)


def draw_reliability(found: Reliability, path: Path) -> None:
    """Bars of accuracy over confidence with the diagonal, and the number of rows in each bin."""
    figure = Figure(figsize=(6, 6.4), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    width = found.bins[0].high - found.bins[0].low
    filled = [cell for cell in found.bins if cell.rows]
    starts = [cell.low for cell in filled]
    confidence = [cell.confidence for cell in filled]
    accuracy = [cell.accuracy for cell in filled]
    bars = {"width": width, "align": "edge", "edgecolor": "white"}
    upper.bar(starts, accuracy, color=BLUE, label="accuracy of the bin", **bars)
    dots = {"markeredgecolor": "white", "clip_on": False}
    upper.plot(confidence, accuracy, "o", color=ORANGE, label="at its mean confidence", **dots)
    upper.plot([0, 1], [0, 1], "--", color=GREY, label="confidence = accuracy")
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    upper.set_title(f"Reliability: ECE {found.ece:.4f}, adaptive {found.adaptive_ece:.4f}")
    lower.bar(starts, [cell.rows for cell in filled], color=GREY, **bars)
    # Nearly all rows are in the last bin; on a linear axis the others would be invisible.
    lower.set_yscale("symlog", linthresh=1)
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    lower.set(xlabel="confidence of the first choice", ylabel="rows")
    save(figure, path, legend_columns=3)


def draw_risk_coverage(found: Evaluation, path: Path, guarantees: Sequence[Guarantee] = ()) -> None:
    """Risk over coverage, the thresholds in force, and what can be guaranteed."""
    points = found.risk_coverage.points
    figure, axes = single_axes(7, 5)
    axes.step(
        [point.coverage for point in points],
        [point.risk for point in points],
        where="post",
        color=BLUE,
        linewidth=2,
        label="thresholds on the confidence, strict to loose",
    )
    top = max(point.risk for point in points)
    misroute = (guarantee for guarantee in guarantees if guarantee.risk == "misroute")
    feasible = [guarantee for guarantee in misroute if guarantee.threshold is not None]
    if feasible:
        _mark_guarantees(axes, found, feasible)
        top = max(top, min(of.alpha for of in feasible))
    if not math.isnan(found.misrouted):
        axes.plot(
            found.routed,
            found.misrouted,
            "o",
            color=ORANGE,
            markersize=8,
            markeredgecolor="white",
            clip_on=False,
            label=f"in force: {found.routed:.1%} routed, {found.misrouted:.2%} of these wrongly",
        )
    # A bound above the curve is met by every row; drawing it would flatten the curve.
    axes.set(xlim=(0, 1), ylim=(0, top * 1.1 or 0.01))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("coverage: share of all rows that a specialist gets")
    axes.set_ylabel("risk: share of these that belong elsewhere")
    axes.set_title(f"Risk and coverage: mean risk {found.risk_coverage.area:.4f}")
    axes.grid(alpha=0.3)
    save(figure, path, legend_columns=1)


def _number_cells(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for row, column in np.argwhere(counts > 0).tolist():
        dark = shares[row, column] > 0.35
        axes.text(
            column,
            row,
            f"{counts[row, column]}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "black",
        )


def _mark_guarantees(axes: Axes, found: Evaluation, feasible: Sequence[Guarantee]) -> None:
    """A line at each bound, and on it the coverage that its threshold has on these rows."""
    label = "guaranteed for traffic like the calibration rows: at most the dotted risk"
    for of in feasible:
        coverage = found.risk_coverage.at(of.threshold or 0).coverage
        axes.axhline(of.alpha, linestyle=":", color=GREEN)
        axes.plot(coverage, of.alpha, "D", color=GREEN, markeredgecolor="white", label=label)
        label = ""  # a single entry in the legend
        axes.annotate(
            f"alpha {of.alpha:g}, delta {of.delta:g}",
            (0.01, of.alpha),
            textcoords="offset points",
            xytext=(0, 2),
            fontsize=8,
            color=GREEN,
            annotation_clip=True,
        )
