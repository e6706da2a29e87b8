"""The answers so far, on disk: JSON lines after a header, appended one by one.

The header holds the run's conditions; an interrupted run resumes only from a file with the same
conditions.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.comparison.errors import ComparisonError


class Journal:
    """A file of JSON objects.

    Args:
        path: the file; the first line creates it.
        conditions: JSON values that must match for the lines to be used.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any]) -> None:
        self._path, self._conditions = path, dict(conditions)

    def read(self) -> list[dict[str, Any]]:
        """Returns the lines so far, in order, and removes a truncated last line.

        Raises:
            ComparisonError: the file's conditions differ; the message names them.
        """
        if not self._path.is_file():
            return []
        whole, _, torn = self._path.read_text(encoding="utf-8").rpartition("\n")
        if not whole:
            self._path.unlink()
            return []
        header, *lines = whole.split("\n")
        self._check(header)
        if torn:
            self._path.write_text(f"{whole}\n", encoding="utf-8")
        return [json.loads(line) for line in lines]

    def append(self, fields: Mapping[str, Any]) -> None:
        """Appends a line, after the header if the file is new."""
        lines = [json.dumps(fields)]
        if not self._path.is_file():
            lines.insert(0, json.dumps(self._conditions, sort_keys=True))
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def _check(self, header: str) -> None:
        found, wanted = json.loads(header), json.loads(json.dumps(self._conditions))
        names = sorted(found.keys() | wanted.keys())
        differing = [
            f"{name} was {found.get(name)!r} and is {wanted.get(name)!r}"
            for name in names
            if found.get(name) != wanted.get(name)
        ]
        if differing:
            raise ComparisonError(
                f"{self._path}: the conditions differ ({'; '.join(differing)}); use the same "
                "to resume, or name a new folder with --out"
            )
