"""The dashboards: what they ask exists, and a real Prometheus answers it."""

import json
import re
import time
from pathlib import Path

import httpx
import pytest
import yaml

from deployments.protocol import Overloaded
from lab.dashboards.dashboard import COLUMNS
from lab.dashboards.files import DASHBOARDS, FOLDER, text_of
from router.selection.moments import LEAST_COUNT
from tests.fakes import FakeBackend
from tests.gateway.evidence.stacks import comparing, outcomes
from tests.gateway.stacks import CHAT, Gateway, on_loopback
from tests.monitoring.metrics import gateway_series, named_by_ray, selectors
from tests.monitoring.prometheus import promtool, scraping
from tests.monitoring.tools import needs_prometheus

ROOT = Path(__file__).parents[2]
QUERIES = [
    (dashboard.uid, panel.title, query.expr)
    for dashboard in DASHBOARDS
    for panel in dashboard.panels
    for query in panel.queries
]
OTHERS = ("ray_", "autoscaler_", "vllm:")
NOT_SQL = [{"role": "user", "content": "hi"}]
FILLED = {"$__rate_interval": "20s", "$__range": "1m", "$job": ".+", "$model": ".+"}


def filled(expr: str) -> str:
    """An expression with Grafana's variables filled in."""
    for name, value in FILLED.items():
        expr = expr.replace(name, value)
    return expr


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_the_files_are_fresh(dashboard):
    """Each file is what the code makes; `make docs` writes them anew."""
    path = ROOT / FOLDER / f"{dashboard.uid}.json"

    assert path.read_text(encoding="utf-8") == text_of(dashboard)


def test_no_file_is_left_over():
    """The folder holds the dashboards and nothing else."""
    files = {path.name for path in (ROOT / FOLDER).iterdir()}

    assert files == {f"{dashboard.uid}.json" for dashboard in DASHBOARDS}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_panels_lie_beside_each_other(dashboard):
    """No panel covers another or leaves the grid, and each has a number of its own."""
    panels = dashboard.model()["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < COLUMNS
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize(("uid", "title", "expr"), QUERIES)
def test_every_metric_and_label_of_a_query_exists(uid, title, expr):
    """A query names the gateway's own metrics with labels that they have, or known ones of Ray and
    vLLM."""
    series = gateway_series()
    for name, labels in selectors(filled(expr)):
        if name.startswith(OTHERS):
            assert named_by_ray(name), (uid, title, name)
        else:
            assert labels <= series[name] | {"job"}, (uid, title, name)


def test_every_query_can_be_restricted_to_one_installation():
    """Every metric of the gateway and of Ray is filtered by `job`."""
    unfiltered = {
        name
        for _, _, expr in QUERIES
        for name, labels in selectors(filled(expr))
        if "job" not in labels
    }

    assert all("vllm" in name for name in unfiltered)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_the_variables_that_queries_use_are_chosen_on_the_page(dashboard):
    """No query and no legend refers to a variable that its dashboard lacks."""
    model = dashboard.model()
    known = {choice["name"] for choice in model["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(model["panels"])))

    assert used <= known


@needs_prometheus
def test_promtool_parses_every_query(tmp_path):
    """Each query is an expression to Prometheus itself."""
    rules = [
        {"record": "parsed", "expr": filled(expr), "labels": {"n": str(n)}}
        for n, (_, _, expr) in enumerate(QUERIES)
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    status, said = promtool("check", "rules", str(path))

    assert status == 0, said


def use(client: httpx.Client, gateway: Gateway, times: int) -> None:
    """Something of everything that a gateway counts."""
    for _ in range(times):
        before = outcomes(gateway)
        answer = client.post("/v1/chat/completions", json=CHAT)
        while outcomes(gateway) == before:
            time.sleep(0.001)
        said = {"score": 1.0, "correction": "right", "request_id": answer.headers["x-request-id"]}
        client.post("/v1/feedback", json=said).raise_for_status()
    client.post("/v1/chat/completions", json=CHAT | {"messages": NOT_SQL})
    gateway.sql.refusal = Overloaded("sql-model", 9, 1.0)
    client.post("/v1/chat/completions", json=CHAT)
    client.post("/v1/chat/completions", json=CHAT | {"model": "sql-model"})
    gateway.sql.refusal = None


@pytest.mark.slow
@needs_prometheus
def test_a_real_prometheus_answers_every_query(tmp_path):
    """After a gateway was used and scraped, every panel of its dashboards has something to show;
    what Ray and vLLM would tell is at least accepted."""
    gateway = comparing(
        tmp_path,
        big=FakeBackend("big", pieces=("ri", "ght")),
        sql=FakeBackend("sql-model", pieces=("ri", "ght")),
        shadow={"max_cost_per_day": 5.0},
    )
    with (
        on_loopback(gateway.app) as url,
        scraping(url, tmp_path) as prometheus,
        httpx.Client(base_url=url, timeout=10) as client,
    ):
        for state in ("demote", "promote"):
            client.post("/v1/niche/lifecycle/sql-model", json={"action": state, "reason": "test"})
        use(client, gateway, LEAST_COUNT)
        prometheus.scraped(2)
        use(client, gateway, 2)
        prometheus.scraped(4)
        silent = [
            (uid, title)
            for uid, title, expr in QUERIES
            if not prometheus.query(filled(expr))
            and not any(name.startswith(OTHERS) for name, _ in selectors(filled(expr)))
        ]

    assert silent == []
