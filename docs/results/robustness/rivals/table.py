"""The table of `docs/results/robustness.md`: one column for each router.

    PYTHONPATH=. python docs/results/robustness/rivals/table.py before=earlier.json \
        after=benchmarks.json

Each file is what a router's run wrote: its figures, or a report with one benchmark. A column
without a file (`after=`) stays empty. Targets are those of the first file.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from lab.statistics.table import Table


def result_of(path: str) -> dict[str, Any]:
    """The figures in a file, by name."""
    if not path:
        return {}
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    [result] = found.get("benchmarks", [found])
    return {figure["name"]: figure for figure in result["figures"]}


def cell(figure: dict[str, Any] | None) -> str:
    """A share, in per cent; the files have the intervals."""
    return "…" if figure is None else f"{100 * figure['value']:.1f}"


def target(figure: dict[str, Any]) -> str:
    """A target, in per cent."""
    bar = figure["bar"]
    if bar is None:
        return ""
    return f"{'at most' if bar['at_most'] else 'at least'} {100 * bar['limit']:g}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="The table of docs/results/robustness.md.")
    parser.add_argument("columns", nargs="+", metavar="TITLE=FILE")
    pairs = [column.rpartition("=") for column in parser.parse_args().columns]
    columns = {title: result_of(path) for title, _, path in pairs}
    first = next(found for found in columns.values() if found)
    rows = tuple(
        (name, target(figure), *(cell(found.get(name)) for found in columns.values()))
        for name, figure in first.items()
    )
    print(Table(("figure, %", "target", *columns), rows).markdown())


if __name__ == "__main__":
    main()
