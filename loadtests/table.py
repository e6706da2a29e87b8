"""Markdown tables and the numbers in them."""

from collections.abc import Sequence


def markdown_rows(table: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines in Markdown, aligned; its first row is the head."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rows = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in table
    ]
    return [rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]]


def format_number(value: float | None) -> str:
    """A number with three significant digits, or whole; `-` if it is not known."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"
