"""The dashboards of the chart and their queries, read from the files that Grafana gets."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "helm" / "niche" / "files" / "dashboards"
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.iterdir())
}
_FILLED = {"$__rate_interval": "20s", "$__range": "1m", "$job": ".+", "$model": ".+"}


@dataclass(frozen=True)
class Query:
    """One expression of a panel; `expr` is PromQL with Grafana's variables."""

    dashboard: str
    panel: str
    legend: str
    unit: str
    expr: str

    @property
    def filled(self) -> str:
        """The expression with a value for each variable, as Prometheus gets it."""
        expr = self.expr
        for name, value in _FILLED.items():
            expr = expr.replace(name, value)
        return expr

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}: {self.legend}"


def panels(dashboard: str) -> list[dict[str, Any]]:
    """The panels of a dashboard without the headings of its rows."""
    return [panel for panel in DASHBOARDS[dashboard]["panels"] if panel["type"] != "row"]


QUERIES = tuple(
    Query(
        dashboard,
        panel["title"],
        target["legendFormat"],
        panel["fieldConfig"]["defaults"]["unit"],
        target["expr"],
    )
    for dashboard in DASHBOARDS
    for panel in panels(dashboard)
    for target in panel["targets"]
)


def query(dashboard: str, panel: str, legend: str) -> Query:
    """The query with these names."""
    [found] = (
        of for of in QUERIES if (of.dashboard, of.panel, of.legend) == (dashboard, panel, legend)
    )
    return found
