"""The quality-cost plane: every arm, its intervals, and the front that no other arm beats."""

from collections.abc import Iterator, Sequence

from lab.comparison.costs import CostKind
from lab.comparison.figures import ArmFigures, Figures
from lab.comparison.lineup import AUTO, GENERALIST, ORACLE, SHUFFLE
from lab.comparison.report.svg import Frame, Scale, chart, frame_of, line, text
from lab.comparison.words import money

COST_TITLES: dict[CostKind, str] = {
    "list": "List price",
    "attributed": "Attributed cost",
    "capacity": "Capacity cost",
}
_PER = 1000
_SMALL_WIDTH = 600.0
_LABEL_HEIGHT = 15.0
_LETTER_WIDTH = 9.5


def kind_of(arm: str) -> str:
    """The class of an arm's colour."""
    return arm if arm in (AUTO, GENERALIST, SHUFFLE, ORACLE) else "alone"


def plane(figures: Figures, kind: CostKind, size: tuple[float, float]) -> str:
    """The plane for one kind of cost; empty where fewer than two arms have one."""
    arms = [arm for arm in figures.arms if arm.costs[kind] is not None]
    if len(arms) < 2:
        return ""
    frame = _frame(arms, figures.currency, kind, size)
    title = f"Quality by {COST_TITLES[kind].lower()}, every arm with its 95 % intervals"
    marks = [
        *_front(figures, kind, frame),
        *(mark for arm in arms for mark in _whiskers(arm, kind, frame)),
        *(_point(arm, kind, frame) for arm in arms),
        *_labels([arm for arm in arms if _named(arm, size)], kind, frame),
    ]
    return chart(size, frame, marks, title)


def _named(arm: ArmFigures, size: tuple[float, float]) -> bool:
    """A small chart has no room for the names of all specialists."""
    return size[0] > _SMALL_WIDTH or kind_of(arm.name) != "alone"


def _frame(
    arms: Sequence[ArmFigures], currency: str, kind: CostKind, size: tuple[float, float]
) -> Frame:
    (left, right), (bottom, top) = frame_of(*size)
    dearest = max(_cost(arm, kind)[2] for arm in arms)
    low = min(arm.quality.low for arm in arms)
    high = max(arm.quality.high for arm in arms)
    room = max(0.05, (high - low) * 0.12)
    return Frame(
        x=Scale(0.0, dearest * 1.12, left, right),
        y=Scale(max(0.0, low - room), min(1.0, high + room), bottom, top),
        x_title=f"{COST_TITLES[kind]}, {currency} per {_PER:,} requests",
        y_title="Quality",
        x_words=money,
        y_words=lambda value: f"{100 * value:.0f} %",
    )


def _cost(arm: ArmFigures, kind: CostKind) -> tuple[float, float, float]:
    """Low, value and high, for `_PER` requests."""
    found = arm.costs[kind]
    if found is None:
        raise ValueError(f"{arm.name} has no {kind} cost")
    return found.low * _PER, found.value * _PER, found.high * _PER


def _front(figures: Figures, kind: CostKind, frame: Frame) -> Iterator[str]:
    arms = {arm.name: arm for arm in figures.arms}
    places: list[tuple[float, float]] = []
    for name in figures.front[kind]:
        x, y = frame.x(_cost(arms[name], kind)[1]), frame.y(arms[name].quality.value)
        # Between two arms of the front nothing better is known than the cheaper one.
        places += [(x, places[-1][1]), (x, y)] if places else [(x, frame.y.start), (x, y)]
    if places:
        yield line([*places, (frame.x.end, places[-1][1])], "front")


def _whiskers(arm: ArmFigures, kind: CostKind, frame: Frame) -> Iterator[str]:
    low, value, high = _cost(arm, kind)
    x, y, of = frame.x(value), frame.y(arm.quality.value), kind_of(arm.name)
    yield line([(x, frame.y(arm.quality.low)), (x, frame.y(arm.quality.high))], f"whisker {of}")
    yield line([(frame.x(low), y), (frame.x(high), y)], f"whisker {of}")


def _point(arm: ArmFigures, kind: CostKind, frame: Frame) -> str:
    x, y, of = frame.x(_cost(arm, kind)[1]), frame.y(arm.quality.value), kind_of(arm.name)
    if of in (SHUFFLE, ORACLE):  # no real arm: a control and a bound
        diamond = f"M{x} {y - 7}L{x + 7} {y}L{x} {y + 7}L{x - 7} {y}Z"
        return f'<path class="hollow {of}" d="{diamond}"/>'
    radius = 7 if of in (AUTO, GENERALIST) else 4.5
    return f'<circle class="point {of}" cx="{x}" cy="{y}" r="{radius}"/>'


def _labels(arms: Sequence[ArmFigures], kind: CostKind, frame: Frame) -> Iterator[str]:
    """Names beside their points; one that would cover another moves down."""
    taken: list[tuple[float, float, float]] = []
    for arm in sorted(arms, key=lambda arm: frame.y(arm.quality.value)):
        x, y = frame.x(_cost(arm, kind)[1]), frame.y(arm.quality.value) - 9
        width = _LETTER_WIDTH * len(arm.name)
        left = x + 11 + width > frame.x.end
        start = x - 11 - width if left else x + 11
        while any(_overlap(start, width, y, of) for of in taken):
            y += _LABEL_HEIGHT
        taken.append((start, width, y))
        yield text(start, y, arm.name, f"label {kind_of(arm.name)}")


def _overlap(start: float, width: float, y: float, other: tuple[float, float, float]) -> bool:
    beside = start + width < other[0] or other[0] + other[1] < start
    return not beside and abs(y - other[2]) < _LABEL_HEIGHT
