"""Runs the scenarios of every client and writes docs/clients.md: `make test-clients`.

    python -m tests.clients [NAME ...]

The clients call a gateway with fake models, and the default stack where an answer's sense matters.
With names only those clients run, and the page stays as it is. Exits with 1 if a scenario failed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.clients.clients import CLIENTS, ROOT, Client
from tests.clients.conftest import serving
from tests.clients.report import Outcomes, green, lines, outcomes, page
from tests.e2e.conftest import running

PAGE = ROOT / "docs" / "clients.md"
SECONDS = 600
"""For the scenarios of one client."""


def ran(client: Client, environment: dict[str, str]) -> Outcomes:
    """How a client's scenarios ended; what they print goes where this process prints."""
    report = Path(environment["HOME"]) / f"{client.name}.xml"
    command = [part.format(report=report) for part in client.command]
    subprocess.run(command, cwd=ROOT, env=environment, timeout=SECONDS, check=False)
    return outcomes(report)


def environment(home: str, address: str, stack: str) -> dict[str, str]:
    """Of this process's environment nothing but the path: no key, no client's settings."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "NICHE_ADDRESS": address,
        "NICHE_STACK": stack,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else its import fetches a list of prices
    }


def main(names: Sequence[str]) -> int:
    """Runs the clients with these names, or all; returns the exit status."""
    clients = [client for client in CLIENTS if client.name in names or not names]
    with ExitStack() as stacks:
        home = stacks.enter_context(tempfile.TemporaryDirectory(prefix="niche-clients-"))
        address = stacks.enter_context(serving())
        stack = stacks.enter_context(running(ROOT / "niche.yaml"))
        given = environment(home, address, stack.url)
        found = {client.name: ran(client, given) for client in clients}
    sys.stdout.write("\n".join([*lines(found), ""]))
    if not names:
        PAGE.write_text(page(clients, found), encoding="utf-8")
    return 0 if green(found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
