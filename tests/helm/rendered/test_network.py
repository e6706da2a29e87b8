"""Who reaches whom: services, routes, policies."""

import json
from typing import Any

import pytest

from tests.helm.rendered.charts import Rendered, changed, everywhere, rendered


@pytest.mark.parametrize("values", ["ingress", "http-route"])
def test_routes_lead_to_the_service(values):
    """Requests go to the service that KubeRay keeps at the healthy cluster."""
    chart = rendered(values)
    text = json.dumps([*chart.all("Ingress"), *chart.all("HTTPRoute")])
    service = chart.service["serveService"]

    assert f'"name": "{chart.name}-serve-svc"' in text
    assert service["metadata"]["name"] == f"{chart.name}-serve-svc"
    assert service["spec"]["ports"][0]["port"] == 8000


def test_ports_have_a_protocol():
    """Every port of a service and a pod says TCP: server-side apply keys lists by it."""
    for values, chart in everywhere():
        ports = [port for item in chart.all("Service") for port in item["spec"]["ports"]]
        ports += chart.service["serveService"]["spec"]["ports"]
        for pod in chart.pods.values():
            ports += [port for it in pod["spec"]["containers"] for port in it.get("ports", [])]

        assert [port for port in ports if port.get("protocol") != "TCP"] == [], values


def test_policies_cover_every_pod():
    """Where there are policies, each pod that serves has one for either direction."""
    for values, chart in everywhere():
        policies = chart.all("NetworkPolicy")
        covered = [chart.selected(policy["spec"]["podSelector"]) for policy in policies]
        others = (*chart.all("Deployment"), *chart.all("Job"))
        serving = set(chart.ray_pods) | {it["metadata"]["name"] for it in others}

        assert set().union(*covered) == (serving if policies else set()), values
        assert all(it["spec"]["policyTypes"] == ["Ingress", "Egress"] for it in policies), values


def test_ray_s_pods_reach_each_other():
    """Head and workers are peers in both directions, on every port."""
    chart = rendered("network-policy")
    for policy in chart.all("NetworkPolicy"):
        inward, outward = policy["spec"]["ingress"][0], policy["spec"]["egress"][0]
        assert chart.selected(inward["from"][0]["podSelector"]) == set(chart.ray_pods)
        assert chart.selected(outward["to"][0]["podSelector"]) == set(chart.ray_pods)
        assert "ports" not in inward
        assert "ports" not in outward


def test_the_chart_s_test_reaches_the_gateway():
    """Where clients are limited, the pods of `helm test` and of the load test are of them."""
    assert _clients("network-policy") == [{"trial-niche-test"}]
    chart = rendered("load-test")
    loading = {job["metadata"]["name"] for job in chart.all("Job")}
    assert _clients("load-test") == [{"trial-niche-test"}, loading]


def _clients(values: str) -> list[set[str]]:
    """The chart's own pods that may ask the workers."""
    chart = rendered(values)
    worker = chart.one("NetworkPolicy", "trial-niche-worker")
    [rule] = [
        rule
        for rule in worker["spec"]["ingress"]
        if [port["port"] for port in rule.get("ports", [])] == [8000]
    ]
    own = [peer["podSelector"] for peer in rule["from"] if "podSelector" in peer]
    return [chart.selected(selector) for selector in own]


def test_only_the_operator_reaches_the_dashboard():
    """The head's dashboard, which can run anything, is open to KubeRay's pods alone."""
    [head] = [
        it
        for it in rendered("network-policy").all("NetworkPolicy")
        if "head" in str(it["metadata"]["name"])
    ]
    [rule] = [
        rule
        for rule in head["spec"]["ingress"]
        if 8265 in [port["port"] for port in rule.get("ports", [])]
    ]

    [peer] = rule["from"]
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}


def test_model_servers_answer_ray_alone():
    """A model server asks for no key, so only Ray's pods and scrapers reach it."""
    chart = rendered("model-servers")
    policy = chart.one("NetworkPolicy", "trial-niche-model-server")["spec"]

    [rule] = policy["ingress"]
    ray, *others = rule["from"]
    assert chart.selected(ray["podSelector"]) == set(chart.ray_pods)
    assert others == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]


OTLP = 'niche.observability.tracing.endpoint="{}"'


def _egress(chart: Rendered, component: str) -> dict[int, Any]:
    """The peers of each port to which a component's pods may connect; None: any."""
    policy = chart.one("NetworkPolicy", f"trial-niche-{component}")["spec"]
    ports = [(port["port"], rule) for rule in policy["egress"] for port in rule.get("ports", [])]
    return {port: rule.get("to") for port, rule in ports}


def test_the_head_reaches_its_redis():
    """Alone, at the port of the address."""
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "state"}}}]
    chart = rendered("gcs-fault-tolerance")

    assert _egress(chart, "head")[6379] == peers
    assert 6379 not in _egress(chart, "worker")


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("redis", 6379),
        ("redis:7000", 7000),
        ("rediss://user:word@redis.state:6390/0", 6390),
        ("redis://redis.state", 6379),
    ],
)
def test_an_address_tells_the_port_of_redis(address, port):
    """With a scheme, a password and a path, or without."""
    chart = changed("gcs-fault-tolerance", f'gcsFaultTolerance.redisAddress="{address}"')

    assert port in _egress(chart, "head")


def test_the_gateway_reaches_the_redis_of_responses():
    """Whose URL is in a Secret, so that the values name its port."""
    chart = rendered("response-store")

    assert _egress(chart, "worker")[6380] == [{"podSelector": {"matchLabels": {"app": "redis"}}}]
    assert 6380 not in _egress(chart, "head")


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://collector.monitoring:4318/v1/traces", 4318),
        ("https://traces.example/v1/traces", 443),
        ("http://collector/v1/traces", 80),
        ("HTTPS://collector/v1/traces", 443),
    ],
)
def test_the_gateway_reaches_the_collector_of_traces(endpoint, port):
    """At the port of its endpoint, anywhere unless the values name it."""
    peers = [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    named = f"networkPolicy.collector.peers={json.dumps(peers)}"
    generalist = 'niche.generalist={"name":"generalist","model":"none","engine":"fake"}'
    given = (generalist, OTLP.format(endpoint))

    assert _egress(changed("network-policy", *given), "worker")[port] is None
    assert _egress(changed("network-policy", *given, named), "worker")[port] == peers


def test_nothing_is_opened_for_what_is_not_configured():
    """No Redis, no collector."""
    chart = changed("fake", "networkPolicy.enabled=true")

    assert _egress(chart, "head").keys() == {53, 443, 6443}
    assert _egress(chart, "worker").keys() == {53, 443}


def test_deployments_select_their_pods():
    """A Deployment's and a Service's selector mean the Deployment's pods alone."""
    chart = rendered("model-servers")
    for deployment in chart.all("Deployment"):
        name = deployment["metadata"]["name"]
        assert chart.selected(deployment["spec"]["selector"]) == {name}
        service = chart.one("Service", name)
        assert chart.selected({"matchLabels": service["spec"]["selector"]}) == {name}


def test_incremental_upgrades_have_no_other_way_in():
    """KubeRay makes the Gateway and the route: the chart makes none."""
    chart = rendered("incremental-upgrade")
    strategy = chart.service["upgradeStrategy"]

    assert strategy["clusterUpgradeOptions"]["gatewayClassName"] == "istio"
    assert chart.all("Ingress") == chart.all("HTTPRoute") == []
