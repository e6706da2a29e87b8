"""The dashboards: what they ask exists, and a real Prometheus answers it."""

import json
import re
import time

import httpx
import pytest
import yaml
from starlette.responses import PlainTextResponse

from deployments.protocol import EngineStats, Overloaded, Unavailable
from gateway.edge.counts import Counts
from router.selection.moments import LEAST_COUNT
from tests.fakes import FakeBackend
from tests.gateway.evidence.stacks import comparing, outcomes
from tests.gateway.stacks import CHAT, Gateway, on_loopback
from tests.monitoring.dashboards import DASHBOARDS, QUERIES, panels
from tests.monitoring.metrics import named_by_ray, niche_series, selectors
from tests.monitoring.prometheus import promtool, scraping
from tests.monitoring.tools import needs_prometheus

COLUMNS = 24
"""The width of Grafana's grid."""
OTHERS = ("ray_", "autoscaler_", "vllm:")
UNITS = {"_seconds": "s", "_seconds_bucket": "s", "_ms_bucket": "ms", "_ratio": "percentunit"}
"""Grafana's unit of a metric, by the end of the metric's name."""
NOT_SQL = [{"role": "user", "content": "hi"}]

each_query = pytest.mark.parametrize("query", QUERIES, ids=str)
each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


@each_dashboard
def test_a_dashboard_has_its_own_address(name):
    """Its uid is the name of its file; its tag is the one by which the dashboards are linked."""
    dashboard = DASHBOARDS[name]

    assert (dashboard["uid"], dashboard["tags"]) == (f"niche-{name}", ["niche"])


@each_dashboard
def test_panels_lie_beside_each_other(name):
    """No panel covers another or leaves the grid, and each has a number of its own."""
    shown = DASHBOARDS[name]["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in shown)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < COLUMNS
    assert len({panel["id"] for panel in shown}) == len(shown)


@each_dashboard
def test_a_panel_explains_itself_and_asks_the_chosen_data_source(name):
    """It has a title and a description; its queries are told apart and go to the source that is
    chosen on the page; a panel of one number asks for one moment, the others for a time range."""
    for panel in panels(name):
        targets = panel["targets"]
        sources = [of["datasource"]["uid"] for of in (panel, *targets)]

        assert panel["title"], panel
        assert panel["description"], panel
        assert set(sources) == {"${datasource}"}, panel["title"]
        assert len({of["refId"] for of in targets}) == len(targets), panel["title"]
        assert {of["instant"] for of in targets} == {panel["type"] == "stat"}, panel["title"]
        assert {of["range"] for of in targets} == {panel["type"] != "stat"}, panel["title"]


@each_query
def test_every_metric_and_label_of_a_query_exists(query):
    """A query names our own metrics with labels that they have, or known ones of Ray and
    vLLM."""
    series = niche_series()
    for name, labels in selectors(query.filled):
        if name.startswith(OTHERS):
            assert named_by_ray(name), name
        else:
            assert labels <= series[name] | {"job"}, name


@each_query
def test_a_legend_names_labels_that_the_query_keeps(query):
    """What stands in double braces is a label by which the query groups."""
    named = set(re.findall(r"{{(\w+)}}", query.legend))
    kept = {label for by in re.findall(r"by \(([^)]*)\)", query.expr) for label in by.split(", ")}

    assert named <= kept


def test_a_panel_tells_its_curves_apart():
    """No two queries of a panel have the same legend."""
    assert len({str(query) for query in QUERIES}) == len(QUERIES)


@each_query
def test_a_unit_is_that_of_the_metric(query):
    """Seconds, milliseconds and ratios are shown as such."""
    ends = {name: end for name, _ in selectors(query.filled) for end in UNITS if name.endswith(end)}

    assert {UNITS[end] for end in ends.values()} <= {query.unit}, ends


def test_every_query_can_be_restricted_to_one_installation():
    """Every metric of the gateway and of Ray is filtered by `job`."""
    unfiltered = {
        name for query in QUERIES for name, labels in selectors(query.filled) if "job" not in labels
    }

    assert all("vllm" in name for name in unfiltered)


@each_dashboard
def test_the_variables_that_queries_use_are_chosen_on_the_page(name):
    """No query and no legend refers to a variable that its dashboard lacks."""
    known = {choice["name"] for choice in DASHBOARDS[name]["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARDS[name]["panels"])))

    assert used <= known


@needs_prometheus
def test_promtool_parses_every_query(tmp_path):
    """Each query is an expression to Prometheus itself."""
    rules = [
        {"record": "parsed", "expr": query.filled, "labels": {"n": str(n)}}
        for n, query in enumerate(QUERIES)
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
    for chat in (CHAT, CHAT | {"messages": NOT_SQL}):
        client.post("/v1/chat/completions", json=chat)
        client.post("/v1/chat/completions", json=chat | {"stream": True}).raise_for_status()
    for refusal in (Overloaded("sql-model", 9, 1.0), Unavailable("sql-model", "gone")):
        gateway.sql.refusal = refusal
        client.post("/v1/chat/completions", json=CHAT)
        client.post("/v1/chat/completions", json=CHAT | {"model": "sql-model"})
    gateway.sql.refusal = None


@pytest.mark.slow
@needs_prometheus
def test_a_real_prometheus_answers_every_query(tmp_path):
    """After a gateway was used and scraped, with its edge, every panel of its dashboards has
    something to show; what Ray and vLLM would tell is at least accepted."""
    gateway = comparing(
        tmp_path,
        big=FakeBackend("big", pieces=("ri", "ght"), engine_stats=(EngineStats(),)),
        sql=FakeBackend("sql-model", pieces=("ri", "ght")),
        shadow={"max_cost_per_day": 5.0},
    )
    with (
        on_loopback(gateway.app) as url,
        on_loopback(PlainTextResponse(Counts().exposition())) as edge,
        scraping(tmp_path, url, edge) as prometheus,
        httpx.Client(base_url=url, timeout=10) as client,
    ):
        for state in ("demote", "promote"):
            client.post("/v1/niche/lifecycle/sql-model", json={"action": state, "reason": "test"})
        use(client, gateway, LEAST_COUNT)
        prometheus.scraped(2)
        use(client, gateway, 2)
        prometheus.scraped(4)
        silent = [
            str(query)
            for query in QUERIES
            if not prometheus.query(query.filled)
            and not any(name.startswith(OTHERS) for name, _ in selectors(query.filled))
        ]

    assert silent == []
