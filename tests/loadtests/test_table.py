"""Tables in Markdown."""

import pytest

from loadtests.table import format_number, markdown_rows


def test_columns_are_aligned() -> None:
    """Under a line below the head."""
    assert markdown_rows([["", "rate"], ["ours", "12"]]) == [
        "|      | rate |",
        "|------|------|",
        "| ours | 12   |",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (12345.0, "12,345"), (0.012345, "0.0123")],
    ids=["unknown", "whole", "small"],
)
def test_numbers_are_short(value: float | None, shown: str) -> None:
    """Three digits, or all of a whole number."""
    assert format_number(value) == shown
