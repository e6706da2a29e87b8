"""Charts as SVG text: scales, axes and marks. Colours are classes: the page's style has them."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """From values to places on the page.

    Attributes:
        low, high: values at the ends; above zero where it is logarithmic.
        start, end: their places.
        log: whether equal ratios are equally far apart.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; values beyond the ends are put there."""
        low, high, at = self._even(self.low), self._even(self.high), self._even(value)
        share = min(max((at - low) / (high - low), 0.0), 1.0) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, wanted: int = 5) -> list[float]:
        """Round values within the scale, about as many as wanted."""
        if self.log:
            return self._log_ticks(wanted)
        rough = (self.high - self.low) / max(wanted, 1) or 1.0
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * of for of in _ROUND if unit * of >= rough - 1e-12)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]

    def _log_ticks(self, wanted: int) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        inside: list[float] = []
        for steps in ((1,), (1, 3), (1, 2, 5)):
            found = [10.0**decade * step for decade in decades for step in steps]
            inside = [of for of in found if self.low * 0.999 <= of <= self.high * 1.001]
            if len(inside) >= min(wanted, 3):
                break
        return inside

    def _even(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value


@dataclass(frozen=True)
class Frame:
    """Where a chart's marks go: its scales, and what the axes say."""

    x: Scale
    y: Scale
    x_title: str
    y_title: str
    x_words: Callable[[float], str]
    y_words: Callable[[float], str]


def frame_of(width: float, height: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The places of the ends of both axes in a chart of this size: (left, right), (bottom, top)."""
    return (62.0, width - 18.0), (height - 46.0, 14.0)


def chart(size: tuple[float, float], frame: Frame, marks: Iterable[str], title: str) -> str:
    """A whole chart: grid, axes, and the marks above them. `title` is for those who cannot see."""
    width, height = size
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(_axes(frame))}{''.join(marks)}</svg>"
    )


def _axes(frame: Frame) -> Iterable[str]:
    x, y = frame.x, frame.y
    for value in x.ticks():
        yield _rule(x(value), y.start, x(value), y.end)
        yield text(x(value), y.start + 16, frame.x_words(value), "tick middle")
    for value in y.ticks():
        yield _rule(x.start, y(value), x.end, y(value))
        yield text(x.start - 8, y(value) + 4, frame.y_words(value), "tick end")
    yield text((x.start + x.end) / 2, y.start + 36, frame.x_title, "axis middle")
    middle = (y.start + y.end) / 2
    turned = f'transform="rotate(-90 14 {middle:.1f})"'
    yield text(14, middle, frame.y_title, "axis middle", turned)


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="grid" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def line(points: Sequence[tuple[float, float]], kind: str) -> str:
    """A line through places on the page."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{kind}" d="M{path}"/>'


def text(x: float, y: float, words: str, kind: str, more: str = "") -> str:
    """Words at a place."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'
