"""`gateway.metrics`: names, labels and values."""

import asyncio
import json
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from deployments.protocol import EngineStats, Overloaded, Unavailable
from deployments.spec import Limits
from deployments.upstream import Upstream
from gateway.errors import TABLE
from gateway.metrics import Metrics, exposition, forget_dead_processes
from tests.deployments.upstream import Upstream as Server
from tests.deployments.upstream import connected
from tests.fakes import FakeBackend, FakeClassifier
from tests.gateway.stacks import CHAT, SPECIALIST, make_gateway, until

GOLDEN = {
    "niche_requests": ("counter", ("domain", "model", "reason", "status_class")),
    "niche_errors": ("counter", ("code",)),
    "niche_dispatch_fallbacks": ("counter", ("model", "reason")),
    "niche_refusals": ("counter", ("model", "cause")),
    "niche_streams_cut": ("counter", ("model",)),
    "niche_requests_lost": ("counter", ()),
    "niche_expected_wait_seconds": ("gauge", ("model",)),
    "niche_requests_in_flight": ("gauge", ()),
    "niche_requests_queued": ("gauge", ("model",)),
    "niche_model_up": ("gauge", ("model",)),
    "niche_model_info": ("gauge", ("model", "deployment")),
    "niche_time_to_first_token_seconds": ("histogram", ("model",)),
    "niche_request_duration_seconds": ("histogram", ("model", "status_class")),
    "niche_inter_token_latency_seconds": ("histogram", ("model",)),
    "niche_router_duration_seconds": ("histogram", ()),
    "niche_router_confidence": ("histogram", ("domain",)),
    "niche_router_batch_size": ("histogram", ()),
    "niche_decision_log_drops": ("counter", ()),
    "niche_prompt_tokens": ("counter", ("model",)),
    "niche_completion_tokens": ("counter", ("model",)),
    "niche_engine_seconds": ("counter", ("model",)),
    "niche_upstream_usage_faults": ("counter", ("model", "fault")),
    "niche_cost_currency": ("counter", ("model",)),
    "niche_cost_baseline_currency": ("counter", ("model",)),
    "niche_cost_attributed_currency": ("counter", ("model",)),
    "niche_engine_kv_cache_usage_ratio": ("gauge", ("deployment",)),
    "niche_engine_requests_waiting": ("gauge", ("deployment",)),
    "niche_engine_prefix_cache_queried_tokens": ("gauge", ("deployment",)),
    "niche_engine_prefix_cache_hit_tokens": ("gauge", ("deployment",)),
    "niche_engine_preemptions": ("gauge", ("deployment",)),
}
"""Dashboards and alerts stand on these: a change here is a change for operators."""


ONE_ANSWER = {
    "prompt_tokens_total": 7,
    "completion_tokens_total": 3,
    "engine_seconds_total": 0.5,
    "cost_currency_total": 13e-6,
    "cost_baseline_currency_total": 130e-6,
    "cost_attributed_currency_total": 0.001,
    "time_to_first_token_seconds_count": 1,
    "inter_token_latency_seconds_count": 2,
    "requests_queued": 0,
}
"""What an answer of the fake specialist moves."""
ONE_BILL = {
    "prompt_tokens_total": 7,
    "completion_tokens_total": 3,
    "cost_currency_total": 13e-6,
    "cost_baseline_currency_total": 130e-6,
}
"""What of it is a matter of tokens."""


def test_names_types_and_labels():
    """The metrics are exactly these."""
    metrics = Metrics(CollectorRegistry())
    made = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]

    assert {item._name: (item._type, item._labelnames) for item in made} == GOLDEN


async def test_an_answer_is_counted():
    """One routed answer moves every counter by what it used."""
    gateway = make_gateway()

    await gateway.post(CHAT | {"stream": True})

    values = {name: gateway.sample(f"niche_{name}", model="sql-model") for name in ONE_ANSWER}
    assert values == pytest.approx(ONE_ANSWER)
    assert gateway.sample("niche_router_confidence_count", domain="sql") == 1
    assert gateway.sample("niche_router_duration_seconds_count") == 1


async def test_a_whole_answer_has_no_first_token():
    """It arrives at once; all else counts as for a stream."""
    gateway = make_gateway()

    await gateway.post(CHAT)

    of_streams = ("time_to_first_token_seconds_count", "inter_token_latency_seconds_count")
    values = {name: gateway.sample(f"niche_{name}", model="sql-model") for name in ONE_ANSWER}
    assert [values.pop(name) for name in of_streams] == [None, None]
    assert values == pytest.approx({name: ONE_ANSWER[name] for name in values})


async def test_waiting_requests_are_seen():
    """Until its first token a request is queued, and until its end it is in flight."""
    gate = asyncio.Event()
    gateway = make_gateway(sql=FakeBackend("sql-model", first_gate=gate))
    asking = asyncio.create_task(gateway.post(CHAT))
    await until(lambda: gateway.sql.open_streams)

    waiting = gateway.sample("niche_requests_queued", model="sql-model")
    working = gateway.sample("niche_requests_in_flight")
    gate.set()
    await asking

    assert (waiting, working) == (1, 1)
    assert gateway.sample("niche_requests_queued", model="sql-model") == 0
    assert gateway.sample("niche_requests_in_flight") == 0


async def test_a_model_that_cannot_answer_is_seen():
    """Each model's last verdict is a gauge."""
    gateway = make_gateway(sql=FakeBackend("sql-model", illness="no replica"))

    await gateway.get("/readyz")

    assert gateway.sample("niche_model_up", model="sql-model") == 0
    assert gateway.sample("niche_model_up", model="big") == 1


async def test_what_engines_tell_is_seen():
    """The fullest replica's cache, and the sums of the others' figures; of those that tell it."""
    told = (EngineStats(0.5, 1, 100, 60, 2), EngineStats(0.25, 2, 10, 5, 0))
    gateway = make_gateway(FakeBackend("big", engine_stats=told))

    await gateway.get("/readyz")

    figures = {
        name: gateway.sample(f"niche_engine_{name}", deployment="big")
        for name in (
            "kv_cache_usage_ratio",
            "requests_waiting",
            "prefix_cache_queried_tokens",
            "prefix_cache_hit_tokens",
            "preemptions",
        )
    }
    assert list(figures.values()) == [0.5, 3, 110, 65, 2]
    assert gateway.sample("niche_engine_preemptions", deployment="none") is None


async def test_how_long_a_request_would_wait_is_seen():
    """Of the models that know it."""
    spec = SPECIALIST.model_copy(update={"limits": Limits(max_ongoing_requests=1)})
    engine = FakeBackend("sql-model", first_gate=asyncio.Event())
    gateway = make_gateway(sql=Upstream(spec, engine), specialist=spec)
    async with gateway.serving():
        asking = [asyncio.create_task(gateway.post(CHAT)) for _ in range(3)]
        await until(lambda: gateway.sample("niche_requests_queued", model="sql-model") == 3)
        await gateway.get("/readyz")
        gateway.clock.advance(60)
        await gateway.get("/readyz")

        assert gateway.sample("niche_expected_wait_seconds", model="sql-model") >= 2.0
        assert gateway.sample("niche_expected_wait_seconds", model="big") is None
        engine.first_gate.set()
        await asyncio.gather(*asking)


async def test_refusals_are_counted_by_their_cause():
    """A request that another model answers is none."""
    busy = Overloaded("sql-model", 9, 3.0, "wait")
    gateway = make_gateway(sql=FakeBackend("sql-model", refusal=busy))

    await gateway.post(CHAT)
    await gateway.post(CHAT | {"model": "sql-model"})

    assert gateway.sample("niche_refusals_total", model="sql-model", cause="wait") == 1


def test_each_model_names_its_deployment():
    """A specialist that may share one names its pool, the generalist itself."""
    gateway = make_gateway()

    assert gateway.sample("niche_model_info", model="sql-model", deployment="none") == 1
    assert gateway.sample("niche_model_info", model="big", deployment="big") == 1


async def test_an_early_error_has_no_model():
    """A request that ends before a decision is counted under closed labels."""
    gateway = make_gateway()

    await gateway.post({"model": "\u2603" * 50, "messages": CHAT["messages"]})

    none = {"domain": "none", "model": "none", "reason": "none"}
    assert gateway.sample("niche_requests_total", **none, status_class="4xx") == 1
    assert gateway.sample("niche_errors_total", code="model_not_found") == 1


async def test_nothing_of_a_client_becomes_a_label():
    """The exposition holds nothing that a client wrote."""
    gateway = make_gateway()

    await gateway.post(CHAT | {"model": "marker"}, **{"x-client-request-id": "marker"})
    await gateway.get("/marker")

    assert "marker" not in (await gateway.get("/metrics")).text


async def test_probes_are_not_requests_for_an_answer():
    """Scrapes and probes do not count as requests."""
    gateway = make_gateway()

    await gateway.get("/healthz")

    assert "niche_requests_total{" not in (await gateway.get("/metrics")).text


async def test_a_failed_stream_pays_nothing_and_counts_its_tokens():
    """Tokens of a broken answer are counted, its list price is not; it was cut."""
    gateway = make_gateway(sql=FakeBackend("sql-model", cut=True))
    assert gateway.sample("niche_streams_cut_total", model="sql-model") == 0

    await gateway.post(CHAT | {"stream": True})

    assert gateway.sample("niche_completion_tokens_total", model="sql-model") == 1
    assert gateway.sample("niche_cost_currency_total", model="sql-model") is None
    assert gateway.sample("niche_streams_cut_total", model="sql-model") == 1


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_upstreams_absurd_usage_enters_no_bill(stream):
    """It is cut to what the request allows, and counted as a fault."""
    server = Server()
    usage = {"prompt_tokens": 7, "completion_tokens": 10**12, "total_tokens": -1}
    part = "delta" if stream else "message"
    choice = {"index": 0, part: {"content": "Hello"}, "finish_reason": "stop"}
    answer = {"choices": [choice], "usage": usage}
    server.answers(f"data: {json.dumps(answer)}\n\ndata: [DONE]\n\n" if stream else answer)
    async with connected(server) as engine:
        gateway = make_gateway(sql=engine)
        await gateway.post(CHAT | {"stream": stream, "max_tokens": 3})

    assert {name: gateway.sample(f"niche_{name}", model="sql-model") for name in ONE_BILL} == (
        ONE_BILL
    )
    for fault, count in {"too_many": 1, "invalid": 1, "contradictory": None}.items():
        labels = {"model": "sql-model", "fault": fault}
        assert gateway.sample("niche_upstream_usage_faults_total", **labels) == count


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_answer_of_a_stand_in_says_so(stream):
    """A failure before the first token cuts nothing: another model answers, with the reason."""
    gateway = make_gateway(sql=FakeBackend("sql-model", refusal=Unavailable("sql-model", "gone")))

    await gateway.post(CHAT | {"stream": stream})

    stand_in = {"domain": "sql", "model": "big", "reason": "unhealthy", "status_class": "2xx"}
    assert gateway.sample("niche_requests_total", **stand_in) == 1
    assert gateway.sample("niche_streams_cut_total", model="sql-model") == 0


async def test_an_error_with_a_status_cuts_no_stream():
    """It never began."""
    gone = Unavailable("big", "gone")
    gateway = make_gateway(FakeBackend("big", refusal=gone))

    answer = await gateway.post(CHAT | {"model": "big", "stream": True})

    assert answer.status_code == 503
    assert gateway.sample("niche_streams_cut_total", model="big") == 0


async def test_a_requested_model_is_not_routed():
    """A named model leaves the router's metrics alone."""
    gateway = make_gateway(classifier=FakeClassifier({"DROP": "sql"}))

    await gateway.post(CHAT | {"model": "big"})

    assert gateway.sample("niche_router_duration_seconds_count") == 0


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
        ("text/plain;version=abc", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=77.0.0", "text/plain; version=0.0.4"),
    ],
)
async def test_the_format_is_negotiated(accept, content_type):
    """The scraper gets the format it asks for; nonsense gets the oldest."""
    response = await make_gateway().get("/metrics", accept=accept)

    assert response.status_code == 200
    assert response.headers["content-type"].startswith(content_type)


async def test_scrapers_at_a_time_share_a_collection():
    """However many ask, in the same format; those of another get theirs, and later ones new
    figures."""
    gateway = make_gateway()
    collected: list[str] = []

    class Watched:
        def collect(self):
            collected.append(threading.current_thread().name)
            return []

    gateway.metrics.registry.register(Watched())
    collected.clear()
    await asyncio.gather(*(gateway.get("/metrics") for _ in range(8)))
    await gateway.get("/metrics")
    assert len(collected) == 1
    assert threading.main_thread().name not in collected

    await gateway.get("/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert len(collected) == 2

    gateway.clock.advance(1.0)
    await gateway.get("/metrics")
    assert len(collected) == 3


async def test_the_operator_may_keep_the_metrics_from_the_public():
    """Then there is no such path, and the description knows none."""
    gateway = make_gateway(public_metrics=False)

    assert (await gateway.get("/metrics")).status_code == 404
    assert "/metrics" not in (await gateway.get("/openapi.json")).json()["paths"]


def test_error_codes_are_a_closed_set():
    """Each row of the errors table has a code that is a good label."""
    assert all(rule.code.replace("_", "").isalpha() for rule in TABLE.values())


_PROCESS = """
from prometheus_client import CollectorRegistry
from gateway.metrics import Metrics
metrics = Metrics(CollectorRegistry())
metrics.errors.labels("invalid_type").inc()
metrics.in_flight.inc()
metrics.queued.labels("sql-model").inc(2)
"""


def test_processes_are_summed(tmp_path):
    """With a shared folder the exposition sums the counters of all processes."""
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-c", _PROCESS],
            check=True,
            cwd=Path(__file__).parents[2],
            env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        )

    body, _ = exposition(CollectorRegistry(), str(tmp_path), "")

    assert 'niche_errors_total{code="invalid_type"} 2.0' in body.decode()
    assert "niche_requests_in_flight 2.0" in body.decode()


def test_a_killed_process_is_forgotten_but_for_what_it_lost(tmp_path):
    """Its gauges leave the sums, with the requests that waited in it; its counters stay. Nobody
    counts them twice."""
    subprocess.run(
        [sys.executable, "-c", _PROCESS],
        check=True,
        cwd=Path(__file__).parents[2],
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
    )

    assert forget_dead_processes(tmp_path, lambda pid: True) == 0
    assert forget_dead_processes(tmp_path, lambda pid: False) == 2
    assert forget_dead_processes(tmp_path, lambda pid: False) == 0
    body, _ = exposition(CollectorRegistry(), str(tmp_path), "")
    assert 'niche_errors_total{code="invalid_type"} 1.0' in body.decode()
    assert "niche_requests_in_flight" not in body.decode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(struct.pack("iiii", 64, 0, 99, 0), id="an entry beyond its end"),
        pytest.param(struct.pack("ii4s", 64, 0, b""), id="an entry without its value"),
    ],
)
def test_gauges_that_a_process_left_cut_count_nothing(tmp_path, content):
    """They go as others do: what comes after them is forgotten too."""
    cut = tmp_path / "gauge_livesum_1.db"
    cut.write_bytes(content)

    assert forget_dead_processes(tmp_path, lambda _: False) == 0
    assert list(tmp_path.iterdir()) == []
