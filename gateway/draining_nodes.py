"""Waits until no node of this Ray cluster drains any more: the head's pod runs it before it ends.

    python -m gateway.draining_nodes SECONDS

Rule: a node drains by the controller and the GCS, which are on the head, so the head ends last.
Nothing is waited for where the head alone has to go.
"""

import os
import sys
import time
from collections.abc import Callable, Sized

_FIRST_SECONDS = 10.0
"""In these, the pods of a cluster that is deleted have all been told."""
_LOOK_SECONDS = 1.0


def wait(
    draining: Callable[[], Sized],
    seconds: float,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Returns when no node drains, or after so many seconds.

    Args:
        draining: the nodes that drain now.
        seconds: the most that there is.
        now: a clock in seconds.
        sleep: waits so many seconds.
    """
    end = now() + seconds
    sleep(min(_FIRST_SECONDS, seconds))
    while now() < end and draining():
        sleep(min(_LOOK_SECONDS, end - now()))


def main(seconds: float) -> None:
    """Waits at the GCS of this node."""
    from ray import _raylet  # noqa: PLC0415 - takes a second

    address = os.environ.get("RAY_ADDRESS", "127.0.0.1:6379")
    client = _raylet.GcsClient(address=address)  # type: ignore[attr-defined]  # its stub lacks it
    wait(lambda: client.get_draining_nodes(timeout=_FIRST_SECONDS), seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]))
