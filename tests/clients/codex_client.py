"""Codex as a program, without an account: Responses and nothing else."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.clients import NODE, ROOT
from tests.clients.material import HELLO, KEY


@pytest.fixture
def home(tmp_path: Path, url: str) -> Path:
    """A folder with Codex's settings: the gateway as its provider."""
    (tmp_path / "config.toml").write_text(
        f"""
model = "auto"
model_provider = "niche"

[model_providers.niche]
name = "niche"
base_url = "{url}"
env_key = "NICHE_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
""",
        encoding="utf-8",
    )
    return tmp_path


def events(home: Path, text: str, *more: str, key: str = KEY) -> list[dict[str, Any]]:
    """What Codex says happened."""
    tools = ROOT / NODE.parent
    done = subprocess.run(
        [tools / "codex", "exec", "--json", "--skip-git-repo-check", *more, text],
        cwd=home,
        env={
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(home),
            "CODEX_HOME": str(home),
            "NICHE_KEY": key,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def messages(happened: list[dict[str, Any]]) -> list[str]:
    """What the model said."""
    items = [event["item"] for event in happened if event["type"] == "item.completed"]
    return [item["text"] for item in items if item["type"] == "agent_message"]


def test_plain(home: Path) -> None:
    """A turn ends with the model's message."""
    assert messages(events(home, HELLO))


def test_usage(home: Path) -> None:
    """A turn counts its tokens."""
    [usage] = [event["usage"] for event in events(home, HELLO) if event["type"] == "turn.completed"]

    assert usage["input_tokens"] > 0
    assert usage["output_tokens"] > 0


def test_bad_key(home: Path) -> None:
    """A turn fails with the gateway's error."""
    [failed] = [
        event for event in events(home, HELLO, key="another") if event["type"] == "turn.failed"
    ]

    assert "401" in failed["error"]["message"]
