"""The choice behind a threshold: how much is routed at each share of misrouted requests."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.routing.values import Evaluation
from lab.statistics.table import Table

LIMITS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)

_LITTLE = 0.5
"""Below this share of the specialists' rows, a router is of little use."""


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold, with its figures on test rows.

    Attributes:
        limit: the largest share of misrouted rows, for which the threshold was chosen.
        threshold: the confidence from which a specialist answers.
        routed: share of all rows that a specialist gets.
        misrouted: share of these that belong elsewhere.
    """

    limit: float
    threshold: float
    routed: float
    misrouted: float

    @property
    def wrong_per_thousand(self) -> float:
        """Requests in a thousand that a wrong specialist gets."""
        return 1000 * self.routed * self.misrouted


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """Routed against misrouted rows.

    Attributes:
        points: from the strictest limit.
        chosen: the limit that the artifact uses.
        warning: why little is routed and what would help; empty if enough is.
    """

    points: tuple[Point, ...]
    chosen: float
    warning: str = ""

    def table(self) -> Table:
        """One row per limit."""
        titles = ("at most misrouted", "threshold", "routed", "misrouted", "wrong in 1,000", "")
        cells = tuple(
            (
                f"{point.limit:g}",
                f"{point.threshold:.2f}",
                f"{point.routed:.3f}",
                f"{point.misrouted:.3f}",
                f"{point.wrong_per_thousand:.1f}",
                "chosen" if point.limit == self.chosen else "",
            )
            for point in self.points
        )
        return Table(titles, cells)

    def text(self) -> str:
        """For a terminal."""
        parts = ["Routed against misrouted (--max-misrouted chooses):", self.table().text()]
        return "\n".join([*parts, *([f"\nWarning: {self.warning}"] if self.warning else [])])


def tradeoff(thresholds: Mapping[float, float], test: Evaluation, limit: float) -> Tradeoff:
    """The choice of an artifact.

    Args:
        thresholds: the threshold that validation rows give each limit.
        test: figures on test rows.
        limit: the one of these limits that the artifact uses.
    """
    points = tuple(_point(at, thresholds[at], test) for at in sorted(thresholds))
    return Tradeoff(points, limit, _warning(points, test, limit))


def _point(limit: float, threshold: float, test: Evaluation) -> Point:
    found = test.risk_coverage.at(threshold)
    return Point(limit, threshold, found.coverage, found.risk)


def _warning(points: Sequence[Point], test: Evaluation, limit: float) -> str:
    served = 1 - test.missed
    if not served < _LITTLE:
        return ""
    pairs: Counter[tuple[str, str]] = Counter()
    for domain, choice, rows in test.confusion.pairs():
        first, second = sorted((domain, choice))
        pairs[first, second] += rows
    parts = [f"only {served:.0%} of the specialists' test rows are routed."]
    if pairs:
        (first, second), rows = pairs.most_common(1)[0]
        parts.append(
            f"{first} and {second} are confused most ({rows} of {pairs.total()} wrong first "
            "choices): merge them, or add rows that show their difference."
        )
    more = (point for point in points if point.limit > limit and point.routed > test.routed)
    looser = next(more, None)
    if looser is not None:
        parts.append(
            f"--max-misrouted {looser.limit:g} routes {looser.routed:.0%} of all rows instead of "
            f"{test.routed:.0%}."
        )
    return " ".join(parts)
