"""A dashboard as Grafana reads it: rows of panels, from left to right, each a few queries.

Rule: every query filters by the variable `job`, so that one Grafana serves several installations;
those of vLLM's own metrics do not, for other jobs scrape its servers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

COLUMNS = 24
"""The width of Grafana's grid."""

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_HEIGHTS = {"stat": 4, "timeseries": 8, "state-timeline": 8}


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of PromQL, and what its series are called: `{{label}}` is replaced."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """What is shown.

    Attributes:
        title: a few words.
        about: how to read it; shown beside the title.
        queries: what it shows.
        unit: one of Grafana's, such as `s`, `reqps`, `percentunit`.
        kind: a number, curves, or states over time.
        width: in columns.
        bounds: of the value axis; None leaves an end to the data.
    """

    title: str
    about: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Literal["stat", "timeseries", "state-timeline"] = "timeseries"
    width: int = 8
    bounds: tuple[float | None, float | None] = (0, None)

    @property
    def height(self) -> int:
        """In Grafana's grid units."""
        return _HEIGHTS[self.kind]


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; those that do not fit beside each other go below."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice of label values, all at first: `label` of the series of `metric`."""

    name: str
    metric: str
    label: str
    leave_out: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of rows; `uid` is its address and its file's name."""

    uid: str
    title: str
    about: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        """Every panel, from the top."""
        return (panel for row in self.rows for panel in row.panels)

    def model(self) -> dict[str, Any]:
        """What Grafana imports."""
        return {
            "uid": f"niche-{self.uid}",
            "title": f"Niche / {self.title}",
            "description": self.about,
            "tags": ["niche"],
            "schemaVersion": 39,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "templating": {"list": [_SOURCE_CHOICE, *map(_choice, self.variables)]},
            "links": [_LINKS],
            "panels": list(_placed(self.rows)),
        }


_SOURCE_CHOICE = {"name": "datasource", "label": "data source", "type": "datasource"} | {
    "query": "prometheus",
    "refresh": 1,
}
_LINKS = {"type": "dashboards", "tags": ["niche"], "title": "Niche", "asDropdown": True} | {
    "keepTime": True,
    "includeVars": True,
}


def _choice(variable: Variable) -> dict[str, Any]:
    leave_out = f"/^(?!{variable.leave_out}$).+/" if variable.leave_out else ""
    return {
        "name": variable.name,
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values({variable.metric}, {variable.label})",
        "regex": leave_out,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Rows and panels with their places, each with a number of its own."""
    number, x, y = 0, 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        }
        x, y, below = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, below = 0, y + below, 0
            number += 1
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place, **_shown(panel)}
            x, below = x + panel.width, max(below, panel.height)
        y += below


def _shown(panel: Panel) -> dict[str, Any]:
    low, high = panel.bounds
    ends = {name: end for name, end in (("min", low), ("max", high)) if end is not None}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, **ends}, "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "instant": panel.kind == "stat",
                "range": panel.kind != "stat",
            }
            for place, query in enumerate(panel.queries)
        ],
    }


_OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "none"},
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "state-timeline": {"showValue": "never", "mergeValues": True},
}
