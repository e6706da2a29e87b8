"""Network namespaces on one bridge of this machine; nothing of them leaves it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from loadtests.traffic.errors import LoadTestError

HOST = "10.77.0.254"
_BRIDGE = "niche-nodes"
_PREFIX, _LINK = "niche-node-", "niche-veth"


def require() -> None:
    """Raises a `LoadTestError` where a run cannot be."""
    if os.geteuid() != 0:
        raise LoadTestError("network namespaces need root: sudo make nodes")
    for program, package in (("ip", "iproute2"), ("redis-server", "redis-server")):
        if shutil.which(program) is None:
            raise LoadTestError(
                f"{program} is not here: apt-get install -y --no-install-recommends {package}"
            )


class Network:
    """The bridge, and what is on it."""

    def add(self, number: int) -> tuple[str, str]:
        """Makes a namespace; returns its name and its address."""
        name, address = f"{_PREFIX}{number}", f"10.77.0.{number}"
        outer, inner = f"{_LINK}{number}", "eth0"
        _ip("netns", "add", name)
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        _ip("link", "set", outer, "master", _BRIDGE, "up")
        _ip("-n", name, "addr", "add", f"{address}/24", "dev", inner)
        _ip("-n", name, "link", "set", inner, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        return name, address


@contextmanager
def network() -> Iterator[Network]:
    """The network of a run; what one left that was killed goes first."""
    _clean()
    try:
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{HOST}/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        yield Network()
    finally:
        _clean()


def _clean() -> None:
    """Removes all that is called as here; a namespace takes its link along only when its last
    process is gone."""
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0]
        if name.startswith(_PREFIX):
            _ip("netns", "delete", name)
    for line in _ip("-oneline", "link", "show").splitlines():
        name = line.split(":")[1].strip().partition("@")[0]
        if name == _BRIDGE or name.startswith(_LINK):
            with suppress(LoadTestError):  # the namespace's end was faster
                _ip("link", "delete", name)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadTestError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
