"""The memory of a tree of processes, sampled by a process of its own.

    python -m loadtests.abuse.memory

reads the id of the tree's root, a line of JSON, writes the memory at that moment, and when its
input is closed the most that it saw. Looking takes CPU time, which in the process of a measured
client would count as the client's.
"""

import json
import select
import sys

from loadtests.bench.processes import tree_memory

_EVERY_SECONDS = 0.25


def main() -> None:
    """Runs it; all figures are bytes (proportional set size, PSS)."""
    root = int(json.loads(sys.stdin.readline()))
    most = first = tree_memory(root)[0] or 0
    print(first, flush=True)
    while not select.select([sys.stdin], [], [], _EVERY_SECONDS)[0]:
        most = max(most, tree_memory(root)[0] or 0)
    print(most, flush=True)


if __name__ == "__main__":
    main()
