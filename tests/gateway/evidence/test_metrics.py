"""The live comparison's metrics: names, labels, and several processes."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from gateway.evidence.metrics import EvidenceMetrics
from gateway.evidence.sqlite_store import SqliteStore
from gateway.metrics import exposition
from router.config import SelectionConfig
from tests.gateway.evidence.stacks import compared, comparing, order, right_and_wrong, tell
from tests.gateway.stacks import until

GOLDEN = {
    "niche_shadow_comparisons": ("counter", ("specialist", "outcome")),
    "niche_shadow_tokens": ("counter", ("model",)),
    "niche_shadow_cost_currency": ("counter", ("model",)),
    "niche_feedback_score": ("histogram", ("model",)),
    "niche_specialist_transitions": ("counter", ("specialist", "before", "after", "cause")),
    "niche_evidence_store_errors": ("counter", ()),
    "niche_specialist_state": ("gauge", ("specialist", "state")),
    "niche_specialist_pinned": ("gauge", ("specialist",)),
    "niche_evidence_pairs": ("gauge", ("specialist",)),
    "niche_evidence_log_e_value": ("gauge", ("specialist", "claim")),
    "niche_evidence_log_threshold": ("gauge", ("specialist", "claim")),
    "niche_shadow_budget_used_ratio": ("gauge", ("limit",)),
    "niche_evidence_quality_difference_ratio": ("gauge", ("specialist", "bound")),
    "niche_evidence_latency_difference_seconds": ("gauge", ("specialist", "bound")),
    "niche_evidence_cost_difference_currency": ("gauge", ("specialist", "bound")),
}
"""Dashboards and alerts stand on these: a change here is a change for operators."""


BUDGET = "niche_shadow_budget_used_ratio"


def test_names_types_and_labels():
    """The metrics are exactly these."""
    made = vars(EvidenceMetrics(CollectorRegistry())).values()
    metrics = [metric for metric in made if isinstance(metric, MetricWrapperBase)]
    assert {item._name: (item._type, item._labelnames) for item in metrics} == GOLDEN


async def test_the_evidence_is_in_the_metrics(tmp_path):
    """Pairs, e-values and bounds are those of the evidence."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        await compared(gateway, "r1")
        await tell(gateway, "r1", correction="right")

    who = {"specialist": "sql-model"}
    assert gateway.sample("niche_evidence_pairs", **who) == 1
    assert gateway.sample("niche_evidence_log_e_value", claim="worse", **who) > 0
    quality = "niche_evidence_quality_difference_ratio"
    assert gateway.sample(quality, bound="mean", **who) == -1
    assert gateway.sample(quality, bound="low", **who) < gateway.sample(
        quality, bound="high", **who
    )


async def test_a_state_without_evidence_shows_no_difference(tmp_path):
    """What was measured in the state before does not stay behind as if it were of this one."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        await compared(gateway, "r1")
        await tell(gateway, "r1", correction="right")
        await order(gateway, "demote")

    who, quality = {"specialist": "sql-model"}, "niche_evidence_quality_difference_ratio"
    assert gateway.sample("niche_evidence_pairs", **who) == 0
    assert all(
        math.isnan(gateway.sample(quality, bound=bound, **who)) for bound in ("low", "mean", "high")
    )


async def test_what_the_evidence_has_to_reach_is_in_the_metrics(tmp_path):
    """Beside each e-value stands its threshold: 1 / alpha for the claim `worse` of one alone."""
    gateway = comparing(tmp_path)

    threshold = gateway.sample(
        "niche_evidence_log_threshold", specialist="sql-model", claim="worse"
    )

    assert math.exp(threshold) == pytest.approx(1 / SelectionConfig().alpha)


async def test_the_used_part_of_the_budget_is_in_the_metrics(tmp_path):
    """Of each limit that is set, the part that was used today is shown."""
    gateway = comparing(tmp_path, shadow={"max_tokens_per_day": 40, "max_cost_per_day": 2.0})
    store = SqliteStore(str(tmp_path / "evidence.db"))
    store.spend("2023-11-14", 10, 1.0)  # the day of the gateway's wall clock
    store.close()

    async with gateway.serving():
        await until(lambda: gateway.sample(BUDGET, limit="cost") is not None)

    assert gateway.sample(BUDGET, limit="tokens") == pytest.approx(0.25)
    assert gateway.sample(BUDGET, limit="cost") == pytest.approx(0.5)


SCRIPT = """
import sys
from prometheus_client import CollectorRegistry
from gateway.evidence.metrics import EvidenceMetrics
metrics = EvidenceMetrics(CollectorRegistry())
metrics.pairs.labels("sql").set(int(sys.argv[1]))
metrics.comparisons.labels("sql", "graded").inc()
print("counted", flush=True)
input()
"""


def test_of_several_processes_the_newest_word_counts_and_counters_add_up(tmp_path: Path):
    """Two gateways know of the same pairs: they are not shown twice, what each did is added."""
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": ""}
    running = []
    for pairs in ("7", "8"):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, pairs],
            env=environment,
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        running.append(process)
        assert process.stdout.readline() == b"counted\n"

    text = exposition(CollectorRegistry(), str(tmp_path), "")[0].decode()
    for process in running:
        process.communicate(b"\n", timeout=20)

    assert 'niche_evidence_pairs{specialist="sql"} 8.0' in text
    assert 'niche_shadow_comparisons_total{outcome="graded",specialist="sql"} 2.0' in text
