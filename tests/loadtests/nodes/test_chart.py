"""What a pod is, out of what helm renders."""

import copy
from typing import Any

import pytest

from loadtests.nodes.chart import image_environment, read

HEAD = "10.77.0.1"


def template(*, hook: list[str] | None = None) -> dict[str, Any]:
    container = {
        "env": [{"name": "A", "value": "1"}, {"name": "POD", "valueFrom": {}}],
        "resources": {"limits": {"cpu": 2, "memory": "6Gi"}},
    }
    if hook is not None:
        container["lifecycle"] = {"preStop": {"exec": {"command": hook}}}
    return {"spec": {"terminationGracePeriodSeconds": 90, "containers": [container]}}


SERVICE: dict[str, Any] = {
    "spec": {
        "serveConfigV2": "applications: [{name: gateway}]",
        "rayClusterConfig": {
            "gcsFaultToleranceOptions": {"redisAddress": "10.77.0.254:6379"},
            "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": template()},
            "workerGroupSpecs": [
                {"rayStartParams": {}, "labels": {"group": "cpu"}, "template": template()}
            ],
        },
    }
}


def test_the_charts_parameters_go_before_the_pods_limits():
    """As in KubeRay: a head of two cores offers none."""
    chart = read(SERVICE, HEAD)
    assert {"--head", "--num-cpus=0", f"--memory={6 << 30}"} <= set(chart.head.command)
    assert {f"--address={HEAD}:6379", "--num-cpus=2"} <= set(chart.worker.command)
    assert "--labels=group=cpu" in chart.worker.command


def test_the_head_knows_redis_and_its_workers_wait_for_it():
    """As KubeRay sets it where the head keeps its state."""
    chart = read(SERVICE, HEAD)
    assert chart.head.environment == {"A": "1", "RAY_REDIS_ADDRESS": "10.77.0.254:6379"}
    assert chart.worker.environment["RAY_gcs_rpc_server_reconnect_timeout_s"] == "600"


@pytest.mark.parametrize("hook", [None, ["sleep", "5"]], ids=["no hook", "a hook"])
def test_the_grace_and_the_hook_are_the_charts(hook):
    service = copy.deepcopy(SERVICE)
    [group] = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    group["template"] = template(hook=hook)
    chart = read(service, HEAD)
    assert chart.worker.pre_stop == tuple(hook or ())
    assert chart.worker.grace_seconds == 90
    assert chart.serve_config == {"applications": [{"name": "gateway"}]}


def test_the_image_says_how_serve_starts_haproxy():
    text = (
        "ENV PATH=/venv/bin:$PATH \\\n    RAY_SERVE_HAPROXY_BINARY_PATH=/venv/bin/niche-haproxy\n"
    )
    assert image_environment(text) == {"RAY_SERVE_HAPROXY_BINARY_PATH": "/venv/bin/niche-haproxy"}
