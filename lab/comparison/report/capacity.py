"""The capacity cost over traffic: where few requests share idle replicas, and where they fill
them."""

from lab.comparison.figures import Figures
from lab.comparison.lineup import AUTO, GENERALIST
from lab.comparison.report.svg import Frame, Scale, chart, frame_of, line, text
from lab.comparison.words import money, whole

_SIZE = (720.0, 300.0)
_PER = 1000


def capacity(figures: Figures) -> str:
    """The chart; empty where the capacity cost is not known."""
    if not figures.capacity or figures.requests_per_hour is None:
        return ""
    (left, right), (bottom, top) = frame_of(*_SIZE)
    costs = [cost * _PER for point in figures.capacity for cost in point.costs.values()]
    loads = [point.requests_per_hour for point in figures.capacity]
    frame = Frame(
        x=Scale(loads[0], loads[-1], left, right, log=True),
        y=Scale(min(costs) / 1.3, max(costs) * 1.3, bottom, top, log=True),
        x_title="requests per hour",
        y_title=f"{figures.currency} per {_PER:,} requests",
        x_words=whole,
        y_words=money,
    )
    marks = [
        line(
            [
                (frame.x(point.requests_per_hour), frame.y(point.costs[name] * _PER))
                for point in figures.capacity
            ],
            f"curve {name}",
        )
        for name in (GENERALIST, AUTO)
    ]
    here = frame.x(figures.requests_per_hour)
    marks.append(line([(here, bottom), (here, top)], "zero"))
    marks.append(text(here + 6, top + 12, "this run's traffic", "tick"))
    return chart(_SIZE, frame, marks, "Capacity cost of a request over traffic")
