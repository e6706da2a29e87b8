"""The local stack of each phase: started as its operator would, on the same states and evidence.

The gateway reads its configuration when it starts; another generalist is another start.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.comparison.rows import Row
from lab.demonstration.configuration import Planted, Upstream, configured
from lab.demonstration.run import Part, Stage
from lab.demonstration.stand_in import PREFIX, read_stand_in, standing_in
from loadtests.traffic.client import Server
from loadtests.traffic.stack import free_port, running, serve_command

OWN = "own"
"""The generalist that is configured."""
_STATE = "evidence.db"


@dataclass(frozen=True)
class Cast:
    """Who plays.

    Attributes:
        raw: the operator's configuration.
        planted: the bad specialist.
        generalists: of the phases: a model, a stand-in, or `OWN`.
        concurrency: requests at a time.
    """

    raw: Mapping[str, Any]
    planted: Planted
    generalists: tuple[str, ...]
    concurrency: int

    def configuration(self, generalist: str, url: str, state: Path) -> dict[str, Any]:
        """The stack's, with one of the generalists.

        Args:
            generalist: which.
            url: where stand-ins are.
            state: the file of states and evidence.

        Raises:
            ComparisonError: no specialist has the planted one's domain.
        """
        wanted: Upstream | str | None = generalist
        if generalist.startswith(PREFIX):
            wanted = Upstream(generalist, url)
        elif generalist == OWN:
            wanted = None
        return configured(self.raw, self.planted, wanted, state, self.concurrency)


@contextmanager
def stages(cast: Cast, rows: Sequence[Row], work: Path) -> Iterator[Stage]:
    """What starts the stack of a phase; the stand-ins are there for all of them.

    Args:
        cast: who plays.
        rows: what the stand-ins know.
        work: a folder for configurations, states and logs; states of another run are removed.

    Raises:
        ComparisonError: a stand-in is of no such form.
    """
    stand_ins = [read_stand_in(name) for name in cast.generalists if name.startswith(PREFIX)]
    for old in work.glob(f"{_STATE}*"):  # with its write-ahead log
        old.unlink()
    with standing_in(rows, stand_ins) as url:

        @contextmanager
        def stage(part: Part) -> Iterator[str]:
            made = cast.configuration(part.generalist, url, (work / _STATE).resolve())
            file = work / f"niche-{part.phase}.yaml"
            file.write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
            server = Server(f"http://127.0.0.1:{(port := free_port())}")
            print(f"demonstration: phase {part.phase}: {part.generalist}", file=sys.stderr)
            with running(serve_command(file, port), server, work / f"stack-{part.phase}.log"):
                yield server.url

        yield stage
