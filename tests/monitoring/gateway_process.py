"""One of several gateway processes that keep their metrics together: prints its address, and ends
with its input. The second one's generalist is ill."""

import os
import sys

from tests.fakes import FakeBackend
from tests.gateway.stacks import make_gateway, on_loopback

if __name__ == "__main__":
    illness = "no replica" if sys.argv[1] == "1" else None
    gateway = make_gateway(
        FakeBackend("big", illness=illness), multiprocess_dir=os.environ["PROMETHEUS_MULTIPROC_DIR"]
    )
    with on_loopback(gateway.app) as url:
        print(url, flush=True)  # noqa: T201 - how the test learns of it
        sys.stdin.readline()
