"""A run's figures on disk: `matrix.md`, `matrix.json` and `matrix.png`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.specialists.evaluation.matrix import Cost, Verdict
from lab.specialists.evaluation.plots import draw_matrix
from lab.specialists.evaluation.run import Report
from lab.specialists.evaluation.tables import sentences, tables

MARKDOWN = "matrix.md"
"""A folder that has it holds a run's figures."""


def write_report(folder: Path, report: Report, about: Sequence[str]) -> tuple[Path, ...]:
    """Writes the three files and returns them.

    Args:
        folder: exists.
        report: the figures.
        about: lines on what was measured where.
    """
    markdown, data, picture = (folder / f"matrix.{kind}" for kind in ("md", "json", "png"))
    draw_matrix(report.matrix, picture)
    notes = [*about, *report.plan.notes]
    parts = [
        "# Niche matrix",
        "\n".join(f"- {line}" for line in notes),
        f"![quality by model and set]({picture.name})",
        "\n".join(f"- {line}" for line in sentences(report.matrix)),
        *(table.markdown() for table in tables(report)),
    ]
    markdown.write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")
    data.write_text(json.dumps(_figures(report, notes), indent=2) + "\n", encoding="utf-8")
    return markdown, data, picture


def _figures(report: Report, notes: Sequence[str]) -> dict[str, Any]:
    found = report.matrix
    return {
        "about": list(notes),
        "columns": [asdict(of) for of in found.lineup.columns],
        "cells": [asdict(of) for of in found.cells],
        "verdicts": [_verdict(of) for of in found.verdicts],
        "diagonal_dominance": found.dominance and asdict(found.dominance),
        "degeneration": [_degeneration(asdict(of)) for of in report.degenerations],
        "models": [
            {
                "name": of.name,
                "base": of.weights.reference,
                **of.weights.identity,
                "shape": asdict(report.shapes[of.name]),
            }
            for of in report.plan.candidates
        ],
    }


def _verdict(of: Verdict) -> dict[str, Any]:
    return {
        **asdict(of),
        "against_best": _cost(of.against_best),
        "against_zero_shot": _cost(of.against_zero_shot),
        "keeps_its_place": of.keeps_its_place,
    }


def _cost(of: Cost) -> dict[str, Any]:
    return {**asdict(of), "cheaper": of.cheaper}


def _degeneration(of: dict[str, Any]) -> dict[str, Any]:
    """Without the figures of no answers: nan is no JSON."""
    return {
        name: value if not isinstance(value, dict) or value["answers"] else {"answers": 0}
        for name, value in of.items()
    }
