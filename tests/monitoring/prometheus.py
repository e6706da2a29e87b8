"""A real Prometheus that scrapes a job, and promtool."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from loadtests.traffic.stack import free_port
from tests.monitoring.tools import PROMETHEUS, PROMTOOL

SCRAPE_SECONDS = 0.25


def promtool(*arguments: str, given: bytes = b"") -> tuple[int, str]:
    """Its exit status and what it said."""
    command = [str(PROMTOOL), *arguments]
    done = subprocess.run(
        command,
        input=given,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    return done.returncode, done.stdout.decode()


@dataclass(frozen=True)
class Prometheus:
    """Its HTTP API."""

    url: str

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an expression, now."""
        response = httpx.get(f"{self.url}/api/v1/query", params={"query": expr}, timeout=20)
        answer = response.json()
        assert answer["status"] == "success", (expr, answer.get("error"))
        return list(answer["data"]["result"])

    def value(self, expr: str) -> float | None:
        """The value of an expression that has one series at most."""
        found = self.query(expr)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def scraped(self, times: int) -> None:
        """Waits until each target was scraped so many times more."""
        expr = "min(count_over_time(up[1m]))"
        until = (self.value(expr) or 0) + times
        end = time.monotonic() + 30
        while (self.value(expr) or 0) < until:
            assert time.monotonic() < end, "a target is not scraped"
            time.sleep(SCRAPE_SECONDS / 2)


@contextmanager
def scraping(folder: Path, *targets: str) -> Iterator[Prometheus]:
    """A Prometheus with its data in a folder."""
    config = {
        "global": {"scrape_interval": f"{round(1000 * SCRAPE_SECONDS)}ms"},
        "scrape_configs": [
            {
                "job_name": "niche",
                "static_configs": [{"targets": [urlsplit(target).netloc for target in targets]}],
            }
        ],
    }
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(PROMETHEUS),
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _await_ready(f"http://{address}", process, folder / "prometheus.log")
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            if httpx.get(f"{url}/-/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < end, f"Prometheus is not ready: {log.read_text(encoding='utf-8')}"
        time.sleep(0.1)
