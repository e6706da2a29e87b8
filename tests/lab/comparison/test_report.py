"""The report's page and its tables, from figures made by hand."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from lab.comparison.analysis import AnalysisSettings, analyse
from lab.comparison.charts import quality_cost
from lab.comparison.figures import Figures
from lab.comparison.prices import ModelPrice, Prices
from lab.comparison.report import page, terminal, write_report
from lab.comparison.verdict import Verdict, verdict
from tests.lab.comparison.samples import arm, sample_of

ROWS = 60
ABOUT = ("commit abc", "a <machine>")
MACHINE = ModelPrice(machine_per_hour=1)
TERMS = AnalysisSettings(0.02, 4, 0, Prices(models={"big": MACHINE, "sql": MACHINE}))


class Reader(HTMLParser):
    """Tags that were opened and not closed, and what is said."""

    VOID = frozenset(["meta", "link", "img", "br"])

    def __init__(self) -> None:
        super().__init__()
        self.open, self.words, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@cache
def known() -> Figures:
    """With everything that there can be."""
    rng = np.random.default_rng(0)
    base, times = (rng.random(ROWS) < 0.5).astype(float), rng.lognormal(0, 0.3, ROWS)
    columns = {
        "list_cost": times,
        "attributed_cost": 2 * times,
        "engine_seconds": times,
        "first_seconds": times / 10,
        "seconds": times,
        "per_token_seconds": times / 100,
        "longest_gap_seconds": times / 50,
    }
    half = {name: values / 2 for name, values in columns.items()}
    arms = [
        arm("auto", np.maximum(base, np.arange(ROWS) % 2), models=["sql", "big"] * 30, **half),
        arm("generalist", base, models=["big"] * ROWS, **columns),
        arm("shuffle", base, models=["big", "sql"] * 30, **half),
        arm("oracle", np.ones(ROWS), **half),
        arm("sql", np.zeros(ROWS), models=["sql"] * ROWS, **half),
    ]
    return analyse(sample_of(arms, ["sql", "tools"] * 30), TERMS)


def little() -> Figures:
    """With nothing that need not be: two arms, no costs, no times, no routes."""
    none = [None] * 8
    arms = [arm("auto", [1] * 8, models=none), arm("generalist", [1] * 8, models=none)]
    return analyse(sample_of(arms), TERMS)


@cache
def page_of_all() -> str:
    return page(known(), judged(known()), 0.02, ABOUT)


def judged(figures: Figures) -> Verdict:
    return verdict(figures, TERMS.margin)


@pytest.mark.parametrize("figures", [known(), little()], ids=["known", "little"])
def test_the_page_is_well_formed_and_needs_nothing_else(figures: Figures) -> None:
    """No script, font or picture from anywhere."""
    drawn = page_of_all() if figures is known() else page(figures, judged(figures), 0.02, ABOUT)

    reader = Reader()
    reader.feed(drawn)
    assert (reader.open, reader.links) == ([], [])
    assert "script" not in drawn
    assert set(re.findall(r"url\((.)", drawn)) <= {"#"}
    assert "@import" not in drawn
    for chart in re.findall(r"<svg.*?</svg>", drawn):
        ET.fromstring(chart)


def test_the_page_says_the_verdict_first() -> None:
    """Under the question that it answers."""
    figures = known()
    reader = Reader()
    reader.feed(page_of_all())

    title, _style, *shown = reader.words
    assert title == judged(figures).kind
    assert shown[1] == judged(figures).line


def test_what_strangers_wrote_stays_text() -> None:
    """Prompts, answers and names are no markup."""
    figures = little()
    example = replace(known().examples[0], prompt="<script>alert(1)</script>", auto="</dd><b>")

    drawn = page(replace(figures, examples=(example,)), judged(figures), 0.02, ABOUT)

    assert "<script" not in drawn
    assert "&lt;script&gt;alert(1)" in drawn
    assert "a &lt;machine&gt;" in drawn


def test_every_arm_has_its_name_in_the_chart() -> None:
    """In its colour, which is the page's."""
    drawn = quality_cost(known(), "list", large=True)

    for name in ("auto", "generalist", "shuffle", "oracle", "sql"):
        assert f">{name}</text>" in drawn
    assert "var(--auto)" in drawn


def test_every_colour_of_a_chart_is_one_of_the_pages() -> None:
    """Or it would not be seen by day and by night."""
    drawn = page_of_all()

    used = set(re.findall(r"var\((--[a-z-]+)\)", drawn))
    assert used <= set(re.findall(r"(--[a-z-]+):", drawn))
    assert not re.findall(r"(?:fill|stroke): #[0-9a-f]+", drawn.partition("</style>")[2])


def test_one_cost_alone_is_not_drawn() -> None:
    """One point is no comparison."""
    assert quality_cost(little(), "list", large=True) == ""


@pytest.mark.parametrize("figures", [known(), little()], ids=["known", "little"])
def test_the_terminal_has_the_verdict_and_the_tables(figures: Figures) -> None:
    """In plain columns."""
    shown = terminal(figures, judged(figures))

    assert shown.startswith(judged(figures).line)
    for title in ("Arms:", "Differences on the same prompts:", "By domain:", "Latency:"):
        assert title in shown


def test_the_files_are_for_people_and_programs(tmp_path: Path) -> None:
    """report.json holds all figures, in strict JSON."""
    figures = known()

    data, html = write_report(tmp_path, figures, judged(figures), 0.02, ABOUT)

    found = json.loads(data.read_text(), parse_constant=pytest.fail)
    assert found["verdict"]["line"] == judged(figures).line
    assert found["figures"]["arms"][0]["name"] == "auto"
    assert (found["margin"], found["about"]) == (0.02, list(ABOUT))
    assert html.read_text().startswith("<!doctype html>")
