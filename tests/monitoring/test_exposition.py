"""`/metrics` as Prometheus reads it: promtool finds nothing to complain of."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from gateway.edge.counts import Counts
from tests.gateway.evidence.stacks import compared, comparing, right_and_wrong, tell
from tests.gateway.stacks import CHAT
from tests.monitoring.prometheus import promtool
from tests.monitoring.tools import needs_prometheus

ROOT = Path(__file__).parents[2]


@needs_prometheus
async def test_promtool_finds_no_fault(tmp_path):
    """Names, units and help texts of a gateway that has answered follow Prometheus' rules."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        await compared(gateway, "r1")
        await tell(gateway, "r1", correction="right")
        text = (await gateway.get("/metrics")).content

    assert promtool("check", "metrics", given=text) == (0, "")


@needs_prometheus
def test_promtool_finds_no_fault_in_an_edge_s():
    """Nor do those of an edge."""
    assert promtool("check", "metrics", given=Counts().exposition().encode()) == (0, "")


@contextmanager
def two_gateways(folder: Path) -> Iterator[list[str]]:
    """The addresses of two processes that keep their metrics in a folder."""
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(folder), "PATH": ""}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.monitoring.gateway_process", number],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in ("0", "1")
    ]
    try:
        yield [process.stdout.readline().strip() for process in running]
    finally:
        for process in running:
            process.communicate("\n", timeout=60)


def samples_of(text: str) -> dict[tuple[str, str | None], float]:
    """The values of an exposition, by name and model."""
    return {
        (sample.name, sample.labels.get("model")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_two_gateways_add_up(tmp_path):
    """Each of two gateway processes tells what both did: counters and histograms as sums, of a
    model the worst verdict."""
    with two_gateways(tmp_path) as urls:
        for url, times in zip(urls, (2, 3), strict=True):
            for _ in range(times):
                httpx.post(f"{url}/v1/chat/completions", json=CHAT, timeout=20).raise_for_status()
            httpx.get(f"{url}/readyz?all", timeout=20)
        told = [samples_of(httpx.get(f"{url}/metrics", timeout=20).text) for url in urls]

    expected = {
        ("niche_requests_total", "sql-model"): 5,
        ("niche_completion_tokens_total", "sql-model"): 15,
        ("niche_request_duration_seconds_count", "sql-model"): 5,
        ("niche_requests_in_flight", None): 0,
        ("niche_model_up", "sql-model"): 1,
        ("niche_model_up", "big"): 0,
    }
    assert [{key: samples[key] for key in expected} for samples in told] == [expected] * 2
