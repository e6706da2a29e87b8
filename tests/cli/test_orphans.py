"""What a killed stack left is ended at the next start, and nothing else."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.orphans import claim, end_orphans, listener

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux")

CLAIM = "import sys; from pathlib import Path; from cli.orphans import claim; claim(Path({!r}))"


def haproxy(config: Path) -> subprocess.Popen[bytes]:
    """A process that is called as an HAProxy of a configuration."""
    words = ["/opt/haproxy", "-c", "read line", str(config)]
    return subprocess.Popen(words, executable="/bin/sh", stdin=subprocess.PIPE)


def test_the_haproxy_of_a_stack_that_is_gone_is_ended(tmp_path: Path) -> None:
    """Its directory goes too; what belongs to a running stack, or to nobody who is known, stays."""
    dead, living, unknown = (tmp_path / f"niche-{name}" for name in ("dead", "living", "unknown"))
    for state_dir in (dead, living, unknown):
        state_dir.mkdir()
    subprocess.run([sys.executable, "-c", CLAIM.format(str(dead))], check=True)
    claim(living)
    orphan, served = haproxy(dead / "node" / "haproxy.cfg"), haproxy(living / "haproxy.cfg")

    ended = end_orphans(tmp_path)

    assert ended == [orphan.pid]
    assert orphan.poll() is not None
    assert served.poll() is None
    assert {path.name for path in tmp_path.iterdir()} == {"niche-living", "niche-unknown"}
    served.communicate()
    orphan.communicate()


def test_a_stack_is_known_by_what_no_step_of_the_clock_changes(tmp_path: Path) -> None:
    """The start of its process is noted in ticks since the machine's; one with the same id that
    started at another is not it, and a note of another form says nothing."""
    own, another, older = (tmp_path / f"niche-{name}" for name in ("own", "another", "older"))
    for state_dir in (own, another, older):
        state_dir.mkdir()
        claim(state_dir)
    ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    assert (own / "owner").read_text() == f"{os.getpid()} {ticks}"
    (another / "owner").write_text(f"{os.getpid()} {int(ticks) + 1}")
    (older / "owner").write_text(f"{os.getpid()} 1764585846.25")

    assert end_orphans(tmp_path) == []

    assert {path.name for path in tmp_path.iterdir()} == {"niche-own", "niche-older"}


def test_who_listens_is_named() -> None:
    """By the name and the id of its process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = listener(server.getsockname()[1])

    assert said is not None
    assert str(os.getpid()) in said
