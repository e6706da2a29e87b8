"""A classifier that reads its answers from the rows, with rows and guarantees to go with it."""

from lab.routing.rows import Row
from router.guarantee import Guarantee
from router.types import Scores


class Scripted:
    """Reads its answer from the text: probability of the last class, then the OOD score."""

    def __init__(self, *classes):
        self.classes_ = classes or ("general", "sql")

    def scores(self, queries):
        first, second = self.classes_
        numbers = [tuple(map(float, query.text.split()[:2])) for query in queries]
        return [Scores({first: 1 - p, second: p}, score, 0.0) for p, score in numbers]


ROWS = [
    Row("0.9 -5", "sql", "1", source="a"),  # routed, right
    Row("0.8 1", "sql", "2", source="a"),  # right domain, but out of distribution
    Row("0.7 -1", "general", "3", source="a"),  # routed, wrong
    Row("0.1 2", "general", "4", source="b"),  # kept, right
]
STRANGERS = [Row("0.95 -2", "law", "5"), Row("0.2 -1", "law", "6"), Row("0.6 -1", "art", "7")]

FEASIBLE = Guarantee(0.2, 0.05, "misroute", 0.8, 90, 100, 0.01, 0.05)
INFEASIBLE = Guarantee(0.01, 0.05, "misroute", None, 0, 100, None, 0.2, "too few rows.")
