"""`gateway.exporter`: the sums of a node's gateway replicas, on a port of their own."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.exporter import registry_of
from gateway.metrics import sharing_variables

COUNTING = """
from prometheus_client import CollectorRegistry
from gateway.metrics import Metrics
metrics = Metrics(CollectorRegistry())
metrics.errors.labels("internal_error").inc({count})
"""


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """A directory in which two processes, as two replicas, counted 2 and 3 errors."""
    environment = os.environ | sharing_variables(tmp_path)
    for count in (2, 3):
        subprocess.run(
            [sys.executable, "-c", COUNTING.format(count=count)], env=environment, check=True
        )
    return tmp_path


@pytest.fixture
def url(counted: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gateway.exporter",
        str(counted),
        str(port),
        "--host",
        "127.0.0.1",
    ]
    with subprocess.Popen(command) as process:
        yield f"http://127.0.0.1:{port}/metrics"
        process.terminate()


def _get(url: str) -> str:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url) as answer:
                return answer.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_counters_add_up_over_replicas(counted):
    """What two processes counted is shown as one sum."""
    labels = {"code": "internal_error"}

    assert registry_of(counted).get_sample_value("niche_errors_total", labels) == 5


def test_the_command_shows_the_sums(url):
    """The command serves the sums in Prometheus' format."""
    assert 'niche_errors_total{code="internal_error"} 5.0' in _get(url)


def test_a_directory_without_metrics_has_none(tmp_path):
    """Before a replica started there is nothing, and no error."""
    assert list(registry_of(tmp_path).collect()) == []
