"""How pods end: each stays for as long as the stack waits for an answer, by one number."""

from typing import Any

import pytest
from ray._private import ray_constants

from gateway.config_file import parse_config
from tests.helm.rendered.charts import Rendered, changed, everywhere, rendered

DRAIN = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
LONG = "niche.gateway.request_timeout_seconds=1200.5"


def _answer_seconds(chart: Rendered) -> int:
    """How long the stack itself waits for answers: Serve, HAProxy and the gateway."""
    return parse_config(chart.niche, "niche.yaml").gateway.drain_seconds


def _first(pod: dict[str, Any]) -> dict[str, Any]:
    return pod["spec"]["containers"][0]


def _drain(pod: dict[str, Any]) -> float:
    """How long Ray drains a node that was told to end."""
    [value] = [it["value"] for it in _first(pod)["env"] if it["name"] == DRAIN]
    return float(value)


def _grace(pod: dict[str, Any]) -> int:
    return pod["spec"]["terminationGracePeriodSeconds"]


def _servers(chart: Rendered) -> list[dict[str, Any]]:
    return [it["spec"]["template"] for it in chart.all("Deployment")]


def _finish(server: dict[str, Any]) -> int:
    """How long vLLM lets answers end."""
    [value] = [word for word in _first(server)["args"] if word.startswith("--shutdown-timeout=")]
    return int(value.partition("=")[2])


def _delay(server: dict[str, Any]) -> int:
    """How long it takes requests before that."""
    program, seconds = _first(server)["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    return int(seconds)


def test_ray_knows_the_variable():
    """It is Ray's own, which drains a node of which the pod is told to end."""
    assert hasattr(ray_constants, DRAIN)


def test_nothing_ends_the_processes_of_a_worker_before_ray_has_drained_it():
    """`ray stop` before the end broke off what a worker answered."""
    for values, chart in everywhere():
        for name in chart.groups:
            assert "lifecycle" not in _first(chart.ray_pods[name]), (values, name)


def test_a_pod_of_ray_stays_for_as_long_as_an_answer_may_take():
    """Serve stops replicas that long before the end of a drain, when others had time to start."""
    for values, chart in everywhere():
        given = "gpu" if values == "gpu-group" else ""  # a grace period of its own
        for name in chart.groups.keys() - {given}:
            pod = chart.ray_pods[name]
            assert _drain(pod) == _answer_seconds(chart) + 60, (values, name)
            assert _grace(pod) > _drain(pod), (values, name)


def test_the_head_ends_after_the_nodes_that_drain():
    """None can without it; its own drain would wait for the controller, which never leaves."""
    for values, chart in everywhere():
        *command, seconds = _first(chart.head)["lifecycle"]["preStop"]["exec"]["command"]
        assert command == ["python", "-m", "gateway.draining_nodes"], values
        assert float(seconds) == _answer_seconds(chart) + 60, values
        assert (_drain(chart.head), _grace(chart.head) > float(seconds)) == (0, True), values


def test_a_model_server_ends_after_its_answers():
    """It takes requests until every node knows that it ends, and then vLLM finishes what it has."""
    for values, chart in everywhere():
        for server in _servers(chart):
            assert _delay(server) >= 5, values
            assert _finish(server) >= _answer_seconds(chart), values
            assert _grace(server) > _delay(server) + _finish(server), values


def test_an_old_cluster_stays_for_as_long_as_an_answer_may_take():
    """The head and its Service go at once with it, so nothing may be left to drain."""
    for values, chart in everywhere():
        stays = chart.service["rayClusterDeletionDelaySeconds"]
        assert stays == _answer_seconds(chart), values


def test_all_follow_the_longest_time_of_a_request():
    """One key of niche.yaml."""
    usual, longer = rendered("model-servers"), changed("model-servers", LONG)
    more = _answer_seconds(longer) - _answer_seconds(usual)

    assert more == 601
    for name in ("head", "cpu"):
        assert _grace(longer.ray_pods[name]) == _grace(usual.ray_pods[name]) + more
    assert _drain(longer.ray_pods["cpu"]) == _drain(usual.ray_pods["cpu"]) + more
    for before, after in zip(_servers(usual), _servers(longer), strict=True):
        assert _grace(after) == _grace(before) + more
        assert _finish(after) == _finish(before) + more


@pytest.mark.parametrize(("seconds", "drain"), [(300, 285), (5, 1)])
def test_a_shorter_grace_period_is_used_whole(seconds, drain):
    """Where nodes give no longer one, Ray and vLLM end in time instead of being killed."""
    grace = f"terminationGracePeriodSeconds={seconds}"
    chart = changed("model-servers", f"workerGroupDefaults.{grace}", f"modelServerDefaults.{grace}")

    assert (_grace(chart.ray_pods["cpu"]), _drain(chart.ray_pods["cpu"])) == (seconds, drain)
    for server in _servers(chart):
        assert (_grace(server), _finish(server)) == (seconds, max(1, drain - _delay(server)))


def test_an_old_cluster_may_go_at_once():
    """0 is a number, and not the absence of one."""
    chart = changed("fake", "upgrade.clusterDeletionDelaySeconds=0")

    assert chart.service["rayClusterDeletionDelaySeconds"] == 0


ROLLOUTS = {
    "one-pod": (("replicas=1",), (1, 0)),
    "two-pods": (("replicas=2",), (0, 1)),
    "two-pods-without-gpus": (("replicas=2", "gpus=0"), (1, 0)),
    "scaled-from-two": (
        ('hpa={"minReplicas":2,"maxReplicas":3,"metrics":[{"type":"Pods"}]}',),
        (0, 1),
    ),
    "scaled-from-none": (
        ('keda={"minReplicas":0,"maxReplicas":3,"triggers":[{"type":"cron"}]}', "replicas=2"),
        (1, 0),
    ),
    "as-said": (
        ("replicas=1", 'strategy={"maxSurge":0,"maxUnavailable":1}'),
        (0, 1),
    ),
}


@pytest.mark.parametrize("case", ROLLOUTS)
def test_a_rollout_goes_on_without_a_free_gpu(case):
    """Of several pods with GPUs one makes room for the next; the only one stays until then."""
    changes, (surge, unavailable) = ROLLOUTS[case]
    server = ('niche.generalist={"name":"generalist","model":"m","engine":"openai"}',)
    server += ('modelServers.a={"models":["generalist"],"model":"m"}',)
    chart = changed("fake", *server, *(f"modelServers.a.{change}" for change in changes))

    [deployment] = chart.all("Deployment")
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {
        "maxSurge": surge,
        "maxUnavailable": unavailable,
    }
