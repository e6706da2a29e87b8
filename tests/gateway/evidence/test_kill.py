"""SIGKILL while evidence is written: what was acknowledged is there, once."""

import subprocess
import sys
from pathlib import Path

from gateway.evidence.sqlite_store import SqliteStore

WRITES = """
import sys
from gateway.evidence.sqlite_store import SqliteStore

store, writer = SqliteStore(sys.argv[1]), sys.argv[2]
for number in range(1_000_000):
    store.spend("today", 1, 0.5)
    store.claim(f"{writer}-{number}", "sql", 1.0)
    print(number, flush=True)
"""
WRITERS = ("one", "two")
ACKNOWLEDGED = 40


def killed_after(path: Path, acknowledged: int) -> list[int]:
    """Writes of processes that are killed in the middle of another: how many each one knows of."""
    command = [sys.executable, "-c", WRITES, str(path)]
    running = [
        subprocess.Popen([*command, writer], stdout=subprocess.PIPE, text=True)
        for writer in WRITERS
    ]
    for process in running:
        assert process.stdout is not None
        for _ in range(acknowledged):
            process.stdout.readline()
    for process in running:
        process.kill()
    return [acknowledged + len(process.communicate()[0].split()) for process in running]


def test_what_was_acknowledged_before_a_kill_is_there_once(tmp_path: Path) -> None:
    """Each process has one write more under way, at most."""
    path = tmp_path / "evidence.sqlite"

    acknowledged = killed_after(path, ACKNOWLEDGED)

    store = SqliteStore(str(path))
    spent = store.spent("today")
    assert sum(acknowledged) <= spent.tokens <= sum(acknowledged) + len(WRITERS)
    assert spent.cost == spent.tokens / 2
    for writer, count in zip(WRITERS, acknowledged, strict=True):
        known = [store.claim(f"{writer}-{number}", "sql", 2.0) for number in range(count)]
        assert not any(known), "a claim that was made is made once"
        assert store.claim(f"{writer}-{count + 1}", "sql", 2.0)
