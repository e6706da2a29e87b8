"""`niche serve` as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from loadtests.traffic.stack import free_port
from tests.e2e.conftest import ROOT


@dataclass
class Served:
    """A running `niche serve`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self, words: str) -> int:
        """How often it has said something on stderr."""
        return self.log.read_text(encoding="utf-8").count(words)

    def ask(self, text: str, **fields: Any) -> httpx.Response:
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=60)


@contextmanager
def serving(file: Path, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """The command from its first moment to its end."""
    port, log = free_port(), file.with_name("serve.log")
    command = [sys.executable, "-m", "cli.main", "serve", "--config", file, "--port", str(port)]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr) as process,
    ):
        try:
            yield Served(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
            process.wait(timeout=120)
