"""Checks that every process collects the same tests, as pytest-xdist's workers must.

    python -m tests.collection

Collects twice, in processes that differ in their hash seed and start in different seconds, and
compares. Rule: a test id is made of what was written by hand, so it holds no escaped bytes and no
address of an object.
"""

import os
import re
import subprocess
import sys
import time

_GENERATED = re.compile(r"\\x[0-9a-f]{2}|0x[0-9a-f]{6,}")


def collected(hash_seed: str) -> list[str]:
    """The ids of all tests, in order, as a new process collects them."""
    command = (sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:randomly")
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the tests cannot be collected:\n{done.stdout}{done.stderr}")
    return [line for line in done.stdout.splitlines() if "::" in line]


def faults(first: list[str], second: list[str]) -> list[str]:
    """A line for each test that only one process collects, or whose id nobody wrote."""
    differing = sorted(set(first) ^ set(second))
    generated = [name for name in first if _GENERATED.search(name)]
    order = [] if first == second or differing else ["the order of the tests differs"]
    return (
        [f"collected by one process only: {name}" for name in differing]
        + [f"write its id by hand (pytest.param(..., id=...)): {name}" for name in generated]
        + order
    )


def main() -> None:
    first = collected("1")
    time.sleep(1.1)
    found = faults(first, collected("2"))
    sys.stdout.write("\n".join(found or [f"{len(first)} tests, collected alike twice"]) + "\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
