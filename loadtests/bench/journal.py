"""What was measured so far, in a file that a later run continues."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtests.bench.stacks import Kind
from loadtests.traffic.errors import LoadTestError


@dataclass(frozen=True)
class Step:
    """One measurement.

    Attributes:
        round: from 1.
        name: of the arm, or of the stack for what is measured at rest.
        kind: what is measured.
        clients: requests at once; 0 where the measurement has no such number.
    """

    round: int
    name: str
    kind: Kind
    clients: int = 0


@dataclass(frozen=True)
class Sample:
    """A measurement with its figures; None: not known."""

    step: Step
    values: Mapping[str, Any]


class Journal:
    """A file of JSON lines: first what the run is, then each measurement as it comes.

    Args:
        path: the file; an earlier run's is continued.
        about: what must be equal to continue it: commit, machine, versions, settings.

    Raises:
        LoadTestError: the file is of another run.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._path = path
        self.samples: list[Sample] = []
        self.notes: list[str] = []
        if path.exists():
            self._read(about)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write({"about": about})

    def _read(self, about: Mapping[str, Any]) -> None:
        try:
            lines = [json.loads(line) for line in self._whole_lines()]
            earlier = lines[0]["about"]
        except (ValueError, LookupError, TypeError) as error:
            raise LoadTestError(f"{self._path}: not a benchmark's file; remove it") from error
        if differs := [key for key in about if earlier.get(key) != _plain(about[key])]:
            raise LoadTestError(
                f"{self._path} is of a run with other {', '.join(differs)}: give another --out, "
                "or --fresh to start again"
            )
        for line in lines[1:]:
            if "note" in line:
                self.notes.append(line["note"])
            else:
                self.samples.append(Sample(Step(**line["step"]), line["values"]))

    def _whole_lines(self) -> list[str]:
        """The complete lines; an interrupted run may have left half a line, which is cut off."""
        text = self._path.read_text(encoding="utf-8")
        complete = text[: text.rfind("\n") + 1]
        if complete != text:
            self._path.write_text(complete, encoding="utf-8")
        return complete.splitlines()

    @property
    def done(self) -> frozenset[Step]:
        """The measurements that are there."""
        return frozenset(sample.step for sample in self.samples)

    def values(self, step: Step) -> Mapping[str, Any] | None:
        """The figures of a measurement, if it is there."""
        return next((of.values for of in self.samples if of.step == step), None)

    def add(self, step: Step, values: Mapping[str, Any]) -> None:
        """Keeps a measurement."""
        self.samples.append(Sample(step, values))
        self._write({"step": asdict(step), "values": values})

    def note(self, text: str) -> None:
        """Keeps a remark for the report, once."""
        if text not in self.notes:
            self.notes.append(text)
            self._write({"note": text})

    def _write(self, line: Mapping[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _plain(value: Any) -> Any:
    """The value as it comes back from a file."""
    return json.loads(json.dumps(value))
