"""Claude Code as a program, without an account: Messages."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.clients import NODE, ROOT
from tests.clients.material import HELLO, KEY


@pytest.fixture
def environment(tmp_path: Path, address: str) -> dict[str, str]:
    """The gateway in the place of Anthropic's API, for every model that it knows."""
    tools = ROOT / NODE.parent
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "ANTHROPIC_BASE_URL": address,
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_MODEL": "auto",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "auto",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
    }


def result(environment: dict[str, str], text: str) -> dict[str, Any]:
    """What Claude Code says of a run."""
    done = subprocess.run(
        [ROOT / NODE.parent / "claude", "-p", text, "--output-format", "json"],
        cwd=environment["HOME"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_plain(environment: dict[str, str]) -> None:
    """A run ends with the model's answer."""
    said = result(environment, HELLO)

    assert not said["is_error"]
    assert said["result"]


def test_usage(environment: dict[str, str]) -> None:
    """A run counts its tokens."""
    assert result(environment, HELLO)["usage"]["output_tokens"] > 0


def test_bad_key(environment: dict[str, str]) -> None:
    """A run fails and says that the key was refused."""
    said = result(environment | {"ANTHROPIC_API_KEY": "another"}, HELLO)

    assert said["is_error"]
    assert "Invalid API key" in said["result"]
