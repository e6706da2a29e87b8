"""docs/operations.md: what it computes is right, and what it says to run works."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.evidence.sqlite_store import SqliteStore
from gateway.evidence.store import AnsweredRequest

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def _models() -> list[list[str]]:
    """The rows of the table of memory."""
    [table] = re.findall(r"<!-- begin: memory -->\n(.*?)<!-- end: memory -->", TEXT, re.DOTALL)
    rows = [line for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


@pytest.mark.parametrize("row", _models(), ids=lambda row: row[0])
def test_memory_follows_from_the_formulas(row):
    """Weights and cache of each model are what the text's formulas give for its shape."""
    _name, millions, *shape, weights, per_token, cache = row
    layers, heads, dimension = map(int, shape)
    parameters = float(millions.removesuffix(" M").replace(",", "")) * 1e6
    token = layers * heads * dimension * 2 * 2

    assert weights == f"{parameters * 2 / 1e9:.2f}"
    assert per_token == f"{token:,}"
    assert cache == f"{token * 16384 / 1e9:.2f}"


def test_the_backup_of_a_store_in_use_is_a_store(tmp_path):
    """The documented command copies what is written while the store is open, beside its log."""
    [line] = re.findall(r"^\$ (python -c .*sqlite3.*)$", TEXT, re.MULTILINE)
    store = SqliteStore(str(tmp_path / "evidence.db"))
    store.remember([AnsweredRequest("a-request", "sql", 1.0)])
    assert (tmp_path / "evidence.db-wal").stat().st_size > 0  # a plain copy would lack it

    words = [sys.executable, *shlex.split(line)[1:]]
    subprocess.run(words, cwd=tmp_path, check=True)
    store.close()

    copy = SqliteStore(str(tmp_path / "evidence.backup.db"))
    assert copy.model_of("a-request", None) == "sql"
    copy.close()
