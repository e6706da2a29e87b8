"""A replay as tables for a terminal, and as `report.json` with its pictures."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from lab.benchmarks.figures import Figure
from lab.replay.replay import MEASURES, PolicyFigures, Replay
from lab.statistics.table import Table

REPORT = "report.json"
_VERSION = 1
_TABLES = (("aiq", "above_mix", "above_shuffle", "gap", "match_cost"), ("apgr", "cpt50", "cpt80"))
_HINDSIGHT = (
    "AIQ uses each policy's best points in hindsight, so a useless policy ends slightly above the "
    "mix;\nthe lead over the shuffle uses all of its points."
)
_PERCENT = ("cpt50", "cpt80")
_SHARES = ("gap", "match_cost")


def summary(found: Replay) -> str:
    """The models and the policies, for a terminal."""
    models = Table(
        (f"always, {found.prompts:,} prompts", "cost", "score", "95% interval"),
        tuple(
            (
                model.name,
                f"{model.cost:.6g}",
                f"{model.quality.value:.4f}",
                _interval(model.quality, "quality"),
            )
            for model in found.models
        ),
    )
    tables = [models, *(_table(found, keys) for keys in _TABLES)]
    return "\n\n".join(
        [*(table.text() for table in tables if table.rows), _front(found), _HINDSIGHT]
    )


def write_report(folder: Path, found: Replay, where: str, data: dict[str, int]) -> tuple[Path, ...]:
    """Writes `report.json` and the pictures.

    Args:
        folder: the output folder, which exists.
        found: the replay.
        where: the commit and the machine.
        data: rows by the name of their file or set.

    Returns:
        The files, the report first.
    """
    from lab.replay.plots import draw  # noqa: PLC0415 - matplotlib takes a second to import

    report = folder / REPORT
    content = {"version": _VERSION, "where": where, "data": data, **_content(found)}
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
    report.write_text(f"{text}\n", encoding="utf-8")
    return report, *draw(found, folder)


def _content(found: Replay) -> dict[str, Any]:
    return {
        "prompts": found.prompts,
        "clusters": found.clusters,
        "best_model": found.best,
        "models": [
            {"name": model.name, "cost": model.cost, "quality": _figure(model.quality)}
            for model in found.models
        ],
        "policies": [
            {
                "name": policy.name,
                "oracle": policy.oracle,
                "figures": {key: _figure(figure) for key, figure in policy.figures.items()},
                "points": [_finite(dataclasses.asdict(point)) for point in policy.points],
            }
            for policy in found.policies
        ],
        "front": [_finite(dataclasses.asdict(point)) for point in found.front],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    ends = {} if figure.interval is None else dataclasses.asdict(figure.interval)
    return _finite({"value": figure.value, **ends})


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has neither infinity nor NaN: these become null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


def _table(found: Replay, keys: tuple[str, ...]) -> Table:
    """The policies that have any of the figures, with one column per figure."""
    rows = [policy for policy in found.policies if any(key in policy.figures for key in keys)]
    return Table(
        ("policy", *(MEASURES[key] for key in keys)),
        tuple((_name(row), *(_cell(row, key) for key in keys)) for row in rows),
    )


def _name(policy_figures: PolicyFigures) -> str:
    return f"{policy_figures.name} (a ceiling)" if policy_figures.oracle else policy_figures.name


def _cell(policy_figures: PolicyFigures, key: str) -> str:
    figure = policy_figures.figures.get(key)
    if figure is None:
        return "-"
    return f"{_number(figure.value, key)} {_interval(figure, key)}".rstrip()


def _interval(figure: Figure, key: str) -> str:
    if figure.interval is None:
        return ""
    return f"[{_number(figure.interval.low, key)}, {_number(figure.interval.high, key)}]"


def _number(value: float, key: str) -> str:
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    if key in _SHARES:
        return f"{value:.1%}"
    return f"{value:.1f}" if key in _PERCENT else f"{value:.4f}"


def _front(found: Replay) -> str:
    names = ", ".join(sorted({of.policy for of in found.front}))
    return f"The Pareto front has points of {names}."
