"""What an audit says of the answers that pip-audit gives."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.audit import finding, main

CLEAN: dict[str, Any] = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
SKIPPED = {"name": "xllamacpp", "skip_reason": "not found: xllamacpp"}
VULNERABLE = CLEAN | {"vulns": [{"id": "PYSEC-1", "fix_versions": ["3.14.6"]}]}


@pytest.mark.parametrize(
    ("entries", "code", "named"),
    [
        ([CLEAN], 0, "1 pins audited, 0"),
        ([CLEAN, SKIPPED], 0, "xllamacpp"),
        ([VULNERABLE, SKIPPED], 1, "PYSEC-1"),
        ([SKIPPED, SKIPPED], 2, "not audited"),
        ([], 2, "not audited"),
    ],
    ids=["clean", "one-unknown", "vulnerable", "all-unknown", "empty"],
)
def test_the_code_says_what_is_known(entries: list[Any], code: int, named: str) -> None:
    """Of pins that a database knows nothing about, nothing is known."""
    found = finding(json.dumps({"dependencies": entries}), "")
    assert found.code == code
    assert any(named in line for line in found.lines)


def test_a_database_that_is_away_is_no_clean_answer() -> None:
    """The reason is told."""
    found = finding("", "Traceback\n  ...\nConnectionError: no such host\n")
    assert found.code == 2
    assert "no such host" in found.lines[0]


def test_what_is_found_in_one_file_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where another could not be audited."""
    answers = {"a.txt": json.dumps({"dependencies": [VULNERABLE]}), "b.txt": ""}
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!{sys.executable}\nimport sys\nprint({answers!r}[sys.argv[-1]])\n")
    tool.chmod(0o755)

    assert main(str(tool), "a.txt", "b.txt") == 1
    assert "PYSEC-1" in capsys.readouterr().out
