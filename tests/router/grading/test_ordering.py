"""What a query's ORDER BY determines."""

import pytest

from router.grading.ordering import OrderBy, order_by, tie_groups


@pytest.mark.parametrize(
    ("query", "split"),
    [
        ("SELECT a FROM t ORDER BY a DESC", ("SELECT a FROM t ORDER BY a DESC", "")),
        ("SELECT a FROM t order  by a;", ("SELECT a FROM t order  by a", ";")),
        ("SELECT a FROM t ORDER BY a LIMIT 3", ("SELECT a FROM t ORDER BY a", " LIMIT 3")),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a)", None),
        ("SELECT rank() OVER (ORDER BY a) FROM t", None),
        ("SELECT 'order by' FROM t", None),
        ("SELECT a FROM t -- ORDER BY a", None),
        ("", None),
    ],
)
def test_the_order_of_the_query_itself_counts(query: str, split: tuple[str, str] | None) -> None:
    """That of a subquery or window is none of its rows'."""
    assert order_by(query) == (split and OrderBy(*split))


def test_ties_are_where_two_ways_to_break_them_differ() -> None:
    """Up to the end of a group of ties, both have the same rows."""
    assert tie_groups("abcde", "bacde") == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 5)]
    assert tie_groups("aabc", "cbaa") == [slice(0, 4)]
    assert tie_groups("", "") == []
