"""Monitors, rules and dashboards: each finds what it points at."""

import json

import pytest
import yaml

from tests.helm.documents import CHART
from tests.helm.rendered.charts import rendered


@pytest.mark.parametrize("values", ["monitoring", "no-exporter", "values-gpu-vllm"])
def test_monitors_find_ports(values):
    """Every endpoint of a PodMonitor is a port of each pod that it selects, or of the gateway's."""
    chart = rendered(values)
    for monitor in chart.all("PodMonitor"):
        pods = chart.selected(monitor["spec"]["selector"])
        assert pods
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            assert [pod for pod in pods if endpoint["port"] in chart.ports(pod)], endpoint


def test_the_gateway_s_metrics_are_scraped_once():
    """The exporter's port is scraped where there is an exporter, and nowhere else."""
    ports = {
        values: [
            endpoint["port"]
            for monitor in rendered(values).all("PodMonitor")
            for endpoint in monitor["spec"]["podMetricsEndpoints"]
        ]
        for values in ("monitoring", "no-exporter")
    }

    assert ports["monitoring"].count("niche-metrics") == 1
    assert "niche-metrics" not in ports["no-exporter"]


def test_the_service_monitor_finds_the_servers():
    """It selects the services of the model servers by a port that they have."""
    chart = rendered("model-servers")
    monitor = chart.one("ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    found = [it for it in chart.all("Service") if wanted <= it["metadata"]["labels"].items()]

    assert {it["metadata"]["name"] for it in found} == {"trial-niche-large", "trial-niche-small"}
    assert all(it["spec"]["ports"][0]["name"] == monitor["endpoints"][0]["port"] for it in found)


def test_rules_and_dashboards_are_the_files():
    """The rendered rules and dashboards are those of `files/`, letter by letter."""
    chart = rendered("monitoring")
    rules = [
        group
        for path in sorted((CHART / "files" / "rules").glob("*.yaml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    ]
    shown = {
        file: text
        for item in chart.all("ConfigMap")
        for file, text in item["data"].items()
        if file.endswith(".json")
    }

    assert chart.one("PrometheusRule")["spec"]["groups"] == rules
    assert {file: json.loads(text) for file, text in shown.items()} == {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in (CHART / "files" / "dashboards").glob("*.json")
    }
