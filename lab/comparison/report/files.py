"""A comparison on disk: `report.json` for programs, `report.html` for people."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.comparison.figures import Figures
from lab.comparison.report.page import page
from lab.comparison.report.tables import (
    arms_table,
    beside_table,
    domains_table,
    latency_table,
    routes_table,
)
from lab.comparison.verdict import Verdict
from lab.statistics.table import Table

JSON, _HTML = "report.json", "report.html"


def terminal(figures: Figures, found: Verdict) -> str:
    """The verdict, what is to be known of it, and the tables."""
    tables: list[Table | None] = [
        arms_table(figures),
        beside_table(figures),
        domains_table(figures),
        routes_table(figures),
        latency_table(figures),
    ]
    shown = [f"{of.text()}\n{of.note}" for of in tables if of is not None]
    return "\n\n".join([found.line, "\n".join(found.notes), *shown])


def write_report(
    folder: Path, figures: Figures, found: Verdict, margin: float, about: Sequence[str]
) -> tuple[Path, ...]:
    """Writes both files and returns them.

    Args:
        folder: exists.
        figures: all of them.
        found: the verdict.
        margin: fixed beforehand.
        about: lines on what was measured where.
    """
    data, html = folder / JSON, folder / _HTML
    fields: dict[str, Any] = {
        "verdict": asdict(found),
        "about": list(about),
        "margin": margin,
        "figures": asdict(figures),
    }
    data.write_text(json.dumps(fields, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    html.write_text(page(figures, found, margin, about), encoding="utf-8")
    return data, html
