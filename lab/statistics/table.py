"""Tables for Markdown, for a terminal and for a web page.

Rule: what users or data files wrote is escaped; it can neither break a table nor become a link.
"""

import html
import re
from dataclasses import dataclass

_MARKUP = re.compile(r"([\\`*{}\[\]<>|!#~$&]|(?<!\w)_|_(?!\w))")


@dataclass(frozen=True, slots=True)
class Table:
    """Column titles and rows of as many cells, as plain text; with a title and a note, if any."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    note: str = ""

    def markdown(self) -> str:
        """For a Markdown file; the title is a heading."""
        lines = [self.titles, ("---",) * len(self.titles), *self.rows]
        table = "\n".join(f"| {' | '.join(map(escaped, cells))} |" for cells in lines)
        heading = f"## {self.title}" if self.title else ""
        return "\n\n".join(part for part in (heading, self.note, table) if part)

    def text(self) -> str:
        """For a terminal, without the note: columns are aligned."""
        lines = [[_plain(cell) for cell in cells] for cells in (self.titles, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = (map(str.ljust, cells, widths) for cells in lines)
        heading = [f"{self.title}:"] if self.title else []
        return "\n".join([*heading, *("  ".join(cells).rstrip() for cells in padded)])

    def html(self) -> str:
        """For a page, without title and note."""
        head = "".join(f"<th>{html.escape(title)}</th>" for title in self.titles)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
            for cells in self.rows
        )
        table = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        return f'<div class="wide"><table>{table}</table></div>'


def escaped(text: str) -> str:
    """Escapes any text for Markdown, on one line."""
    return _MARKUP.sub(r"\\\1", _plain(text))


def _plain(text: str) -> str:
    letters = (letter if letter.isprintable() else " " for letter in text)
    return " ".join("".join(letters).split())
