"""The dashboards as files of the chart: `python -m lab.dashboards.files` writes them anew."""

import json
from pathlib import Path

from lab.dashboards.cluster import CLUSTER
from lab.dashboards.dashboard import Dashboard
from lab.dashboards.engines import ENGINES
from lab.dashboards.overview import OVERVIEW
from lab.dashboards.savings import SAVINGS
from lab.dashboards.specialists import SPECIALISTS

DASHBOARDS = (OVERVIEW, SAVINGS, SPECIALISTS, ENGINES, CLUSTER)
FOLDER = Path("helm/niche/files/dashboards")
"""Where they lie, from the root of the checkout."""


def text_of(dashboard: Dashboard) -> str:
    """The content of its file."""
    return json.dumps(dashboard.model(), indent=2) + "\n"


def main() -> None:
    """Writes the files below the working directory."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        path = FOLDER / f"{dashboard.uid}.json"
        path.write_text(text_of(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
