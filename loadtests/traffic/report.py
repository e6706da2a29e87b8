"""The figures of a run: `report.json` for programs, tables for people, two runs side by side."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtests.table import format_number, markdown_rows
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.measurements import OUTCOMES, TIMES, Measurements, RequestStats
from loadtests.traffic.scenario import Scenario
from loadtests.traffic.slo import SloResult

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_LATE_SECONDS = 0.1
_KINDS = ("domain", "model", "route", "reader", "third")


def build_report(
    scenario: Scenario, seconds: float, measured: Measurements, slos: Sequence[SloResult]
) -> dict[str, Any]:
    """All figures, as JSON values.

    Args:
        scenario: the run's scenario.
        seconds: the time in which requests were sent.
        measured: its measurements.
        slos: results of its objectives.
    """
    return {
        "scenario": scenario.model_dump(mode="json"),
        "seconds": seconds,
        "checks": [
            {"name": slo.name, "limit": slo.limit, "value": slo.value, "met": slo.met}
            for slo in slos
        ],
        "notes": _notes(scenario, measured),
        "all": _group(measured.of(), seconds),
        **{
            f"by_{kind}": {name: _group(of, seconds) for name, of in measured.groups(kind).items()}
            for kind in _KINDS
        },
    }


def _group(stats: RequestStats, seconds: float) -> dict[str, Any]:
    tokens = stats.usage.get("completion_tokens", 0.0)
    return {
        "requests": stats.count,
        "per_second": stats.count / seconds,
        "outcomes": {name: stats.outcomes[name] for name in OUTCOMES},
        "reasons": dict(stats.reasons.most_common(10)),
        "seconds": {
            name: {"count": of.count, "mean": of.mean}
            | {key: of.quantile(share) for key, share in _QUANTILES.items()}
            for name, of in stats.times.items()
        },
        "per_answer": {name: stats.mean_usage(name) for name in sorted(stats.reported)},
        "answers_per_second": stats.outcomes["answered"] / seconds,
        "tokens_per_second": tokens / seconds,
    }


def _notes(scenario: Scenario, measured: Measurements) -> list[str]:
    notes = []
    late = measured.of().times["late"].quantile(_QUANTILES["p99"])
    if late is not None and late > _LATE_SECONDS:
        notes.append(
            f"The load generator fell behind: 1 % of the requests were sent {late:.2f} s late or "
            "more. All times include the delay; use more processes, or another machine."
        )
    if measured.of().count + scenario.sources > scenario.max_requests:
        notes.append(
            f"The run stopped at max_requests, {scenario.max_requests:,} requests: rates over the "
            "whole time are too low."
        )
    return notes


def write_report(path: Path, fields: Mapping[str, Any]) -> None:
    """Writes `report.json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_report(path: Path) -> dict[str, Any]:
    """Reads a `report.json`.

    Raises:
        LoadTestError: the file cannot be read, or is not a report.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadTestError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict) or "by_model" not in found:
        raise LoadTestError(f"{path}: not the report of a load test")
    return found


def _time(name: str, key: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda group: group["seconds"][name][key]


def _outcome(name: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda group: float(group["outcomes"][name])


def _per(name: str, factor: float = 1.0) -> Callable[[Mapping[str, Any]], float | None]:
    def value(group: Mapping[str, Any]) -> float | None:
        found = group["per_answer"].get(name)
        return None if found is None else found * factor

    return value


_LINES: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "requests": lambda group: group["requests"],
    "answered": _outcome("answered"),
    "refused (429, 503)": _outcome("refused"),
    "failed or unsent": lambda group: group["outcomes"]["failed"] + group["outcomes"]["unsent"],
    "answers per second": lambda group: group["answers_per_second"],
    "first token p50, s": _time(TIMES[0], "p50"),
    "first token p95, s": _time(TIMES[0], "p95"),
    "first token p99, s": _time(TIMES[0], "p99"),
    "between tokens p50, s": _time(TIMES[1], "p50"),
    "between tokens p95, s": _time(TIMES[1], "p95"),
    "whole answer p50, s": _time(TIMES[2], "p50"),
    "whole answer p95, s": _time(TIMES[2], "p95"),
    "tokens per answer": _per("completion_tokens"),
    "tokens per second": lambda group: group["tokens_per_second"],
    "engine seconds per answer": _per("engine_seconds"),
    "list price per 1,000 answers": _per("cost", 1000),
    "machine price per 1,000 answers": _per("attributed_cost", 1000),
}


def format_terminal(fields: Mapping[str, Any]) -> str:
    """Formats a run for the terminal: totals, by domain, by model, and objectives."""
    parts = [markdown_rows(_table({"all": fields["all"], **fields["by_domain"]}))]
    if len(fields["by_model"]) > 1:
        parts.append(markdown_rows(_table(fields["by_model"])))
    parts.append([f"{count} x {why}" for why, count in fields["all"]["reasons"].items()])
    parts.append(fields["notes"])
    parts.append(
        [
            SloResult(field["name"], field["limit"], field["value"]).line()
            for field in fields["checks"]
        ]
    )
    return "\n\n".join("\n".join(part) for part in parts if part)


def comparison_table(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Several runs of one scenario as a Markdown table, with one column per run."""
    return "\n".join(markdown_rows(_table({name: of["all"] for name, of in reports.items()})))


def _table(groups: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    head = ["", *groups]
    rows = [
        [title, *(format_number(value(group)) for group in groups.values())]
        for title, value in _LINES.items()
    ]
    return [head, *rows]
