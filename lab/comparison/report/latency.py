"""Latency distributions: for each time that is measured, the share of answers that took no
longer."""

from collections.abc import Sequence

from lab.comparison.figures import LATENCIES, ArmFigures, Figures
from lab.comparison.report.plane import kind_of
from lab.comparison.report.svg import Frame, Scale, chart, frame_of, line
from lab.comparison.words import seconds

_SIZE = (460.0, 270.0)


def latencies(figures: Figures) -> list[str]:
    """A chart for each kind of latency that is known."""
    found = []
    for key, title in LATENCIES.items():
        arms = [arm for arm in figures.arms if arm.curves.get(key)]
        if arms:
            found.append(_chart(arms, key, title))
    return found


def _chart(arms: Sequence[ArmFigures], key: str, title: str) -> str:
    values = [value for arm in arms for value in arm.curves[key] if value > 0]
    (left, right), (bottom, top) = frame_of(*_SIZE)
    low, high = (min(values), max(values)) if values else (0.001, 1.0)
    frame = Frame(
        # Room at both ends, and never nothing between them.
        x=Scale(low / 1.1, max(high, low * 1.5) * 1.1, left, right, log=True),
        y=Scale(0.0, 1.0, bottom, top),
        x_title=title,
        y_title="share of answers",
        x_words=seconds,
        y_words=lambda value: f"{100 * value:.0f} %",
    )
    # The arms that matter most are drawn last, above the others.
    order = sorted(arms, key=lambda arm: kind_of(arm.name) != "alone")
    marks = [_curve(arm.curves[key], frame, kind_of(arm.name)) for arm in reversed(order)]
    return chart(_SIZE, frame, reversed(marks), f"Distribution of {title}, by arm")


def _curve(values: Sequence[float], frame: Frame, kind: str) -> str:
    steps = len(values) - 1
    places = [
        (frame.x(value), frame.y(place / steps if steps else 1.0))
        for place, value in enumerate(values)
    ]
    return line(places, f"curve {kind}")
