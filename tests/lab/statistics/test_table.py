"""Tables: what they look like, and what cannot break them."""

import pytest

from lab.statistics.table import Table, escaped


def test_a_table_is_markdown():
    """Titles, a rule, a line for each row."""
    table = Table(("a", "b"), (("1", ""),))
    assert table.markdown().splitlines() == ["| a | b |", "| --- | --- |", "| 1 |  |"]


def test_a_table_is_aligned_for_a_terminal():
    """Columns stand below each other, without spaces at the end."""
    table = Table(("name", "b"), (("x", "1"), ("longer", "")))
    assert table.text() == "name    b\nx       1\nlonger"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b\n c", r"a \| b c"),
        ("<script>![x](http://y)", r"\<script\>\!\[x\](http://y)"),
        ("`rm` *all* #1", r"\`rm\` \*all\* \#1"),
        ("text_to_sql and _this_", r"text_to_sql and \_this\_"),
        ("bell\a \x1b[31mred", r"bell \[31mred"),
    ],
    ids=["cell", "markup", "code", "underscore", "control"],
)
def test_words_of_others_do_no_harm(text, shown):
    """They end no cell, make no link, and send nothing to the terminal."""
    assert escaped(text) == shown


def test_a_title_is_a_heading_with_its_note_below():
    """In a terminal the title stands above the columns."""
    table = Table(("a",), (("1",),), title="Arms", note="Mean of 3.")
    assert table.markdown().split("\n\n")[:2] == ["## Arms", "Mean of 3."]
    assert table.text() == "Arms:\na\n1"


def test_on_a_page_a_cell_stays_text():
    """What looks like a tag is shown as it is."""
    shown = Table(("<a>",), (("1 & 2",),)).html()
    assert "<th>&lt;a&gt;</th>" in shown
    assert "<td>1 &amp; 2</td>" in shown
