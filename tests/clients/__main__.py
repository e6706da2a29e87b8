"""Runs the scenarios of every client and writes docs/clients.md: `make test-clients`.

    python -m tests.clients [NAME ...]

The clients call a gateway with fake models, and the default stack where an answer's sense matters.
With names only those clients run, and the page stays as it is. Exits with 1 if a scenario failed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.clients.clients import CLIENTS, ROOT, Client
from tests.clients.conftest import serving
from tests.clients.page import page
from tests.clients.report import Outcomes, outcomes
from tests.e2e.conftest import running

PAGE = ROOT / "docs" / "clients.md"
MINUTES = 10
"""For the scenarios of one client."""


def ran(client: Client, environment: Mapping[str, str]) -> Outcomes:
    """How a client's scenarios ended; their output is that of this process."""
    found: Outcomes = {}
    for number, command in enumerate(client.commands):
        report = Path(environment["HOME"]) / f"{client.name}-{number}.xml"
        subprocess.run(
            [part.format(report=report) for part in command],
            cwd=ROOT,
            env=dict(environment),
            timeout=60 * MINUTES,
            check=False,
        )
        found |= outcomes(report)
    return found


def environment(home: str, address: str, stack: str) -> dict[str, str]:
    """Nothing of this process's but the path: no keys, no settings of a client."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "NICHE_ADDRESS": address,
        "NICHE_STACK": stack,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches prices when it is imported
    }


def lines(found: Mapping[str, Outcomes]) -> Iterator[str]:
    """What failed, and the counts."""
    for name, scenarios in found.items():
        failed = [scenario for scenario, passed in scenarios.items() if not passed]
        yield f"{name}: {len(scenarios)} scenarios, failed: {', '.join(failed) or 'none'}"


def main(names: Sequence[str]) -> int:
    clients = [client for client in CLIENTS if client.name in names or not names]
    with ExitStack() as running_now:
        home = running_now.enter_context(tempfile.TemporaryDirectory(prefix="niche-clients-"))
        address = running_now.enter_context(serving())
        stack = running_now.enter_context(running(ROOT / "niche.yaml")).url
        found = {client.name: ran(client, environment(home, address, stack)) for client in clients}
    sys.stdout.write("\n".join(lines(found)) + "\n")
    if not names:
        PAGE.write_text(page(CLIENTS, found), encoding="utf-8")
    return int(not all(scenarios and all(scenarios.values()) for scenarios in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
