"""The order of a query's rows, as far as its ORDER BY determines it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from router.grading.lexer import tokens_of


@dataclass(frozen=True, slots=True)
class OrderBy:
    """A query that orders its rows, split after the last term of its ORDER BY.

    Attributes:
        head: the query up to there.
        tail: the rest, such as a LIMIT.
    """

    head: str
    tail: str

    def tie_broken(self, columns: int, direction: str) -> str:
        """The query without its LIMIT; ties are in the order of all its columns.

        Args:
            columns: the number of columns of the result.
            direction: `ASC` or `DESC`.
        """
        return ", ".join([self.head, *(f"{n} {direction}" for n in range(1, columns + 1))])


def order_by(query: str) -> OrderBy | None:
    """The query's own ORDER BY, and none of a subquery, window or text; None if it has none."""
    outermost = [token for token in tokens_of(query) if token.depth == 0]
    words = [token.symbol for token in outermost]
    pairs = list(pairwise(words))
    if ("order", "by") not in pairs:
        return None
    start = len(pairs) - pairs[::-1].index(("order", "by"))
    ends = (place for place in range(start, len(words)) if words[place] in ("limit", ";"))
    last = next(ends, len(words)) - 1
    end = outermost[last].end
    return OrderBy(query[:end], query[end:])


def tie_groups(ascending: Sequence[Any], descending: Sequence[Any]) -> list[slice]:
    """The places of rows that the order does not distinguish.

    Args:
        ascending: the rows, with ties broken by their values.
        descending: the same with ties broken the other way.
    """
    groups, start = [], 0
    surplus: Counter[Any] = Counter()
    for place, (low, high) in enumerate(zip(ascending, descending, strict=True), 1):
        for row, sign in ((low, 1), (high, -1)):
            surplus[row] += sign
            if not surplus[row]:
                del surplus[row]
        if not surplus:  # The same rows so far: the next ones are in another group.
            groups.append(slice(start, place))
            start = place
    return groups
