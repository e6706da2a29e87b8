"""KubeRay's own rules: the chart keeps all of them, and each can be broken."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.helm.charts import VALUES, rendered
from tests.helm.marks import needs_helm
from tests.helm.operator import RULES, complaints

Change = Callable[[dict[str, Any]], object]


def _service() -> dict[str, Any]:
    """A small RayService that breaks no rule."""
    template = {"spec": {"containers": [{"name": "ray"}]}}
    return {
        "metadata": {"name": "answers", "annotations": {}},
        "spec": {
            "rayClusterConfig": {
                "rayVersion": "2.60.0",
                "authOptions": {"mode": "token"},
                "enableInTreeAutoscaling": True,
                "autoscalerOptions": {"version": "v2"},
                "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": template},
                "workerGroupSpecs": [
                    {
                        "groupName": "cpu",
                        "minReplicas": 1,
                        "maxReplicas": 2,
                        "rayStartParams": {},
                        "template": deepcopy(template),
                    }
                ],
            }
        },
    }


def _cluster(service: dict[str, Any]) -> dict[str, Any]:
    return service["spec"]["rayClusterConfig"]


def _worker(service: dict[str, Any]) -> dict[str, Any]:
    return _cluster(service)["workerGroupSpecs"][0]


def _in_cluster(**values: Any) -> Change:
    return lambda service: _cluster(service).update(values)


def _in_worker(**values: Any) -> Change:
    return lambda service: _worker(service).update(values)


def _in_head(**values: Any) -> Change:
    return lambda service: _cluster(service)["headGroupSpec"].update(values)


def _annotated(key: str, value: str, **cluster: Any) -> Change:
    def change(service: dict[str, Any]) -> None:
        service["metadata"]["annotations"][key] = value
        _cluster(service).update(cluster)

    return change


def _environment(name: str, value: str, **cluster: Any) -> Change:
    def change(service: dict[str, Any]) -> None:
        container = _cluster(service)["headGroupSpec"]["template"]["spec"]["containers"][0]
        container["env"] = [{"name": name, "value": value}]
        _cluster(service).update(cluster)

    return change


def _upgrading(**options: Any) -> Change:
    steps = {"gatewayClassName": "istio", "stepSizePercent": 10, "intervalSeconds": 5} | options
    strategy = {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": steps}
    return lambda service: service["spec"].update(upgradeStrategy=strategy)


def _without_autoscaler(change: Change) -> Change:
    def both(service: dict[str, Any]) -> None:
        _cluster(service)["enableInTreeAutoscaling"] = False
        change(service)

    return both


REDIS = {"gcsFaultToleranceOptions": {"redisAddress": "redis:6379"}}

BROKEN: dict[str, Change] = {
    "more than 47 characters": lambda service: service["metadata"].update(name="a" * 48),
    "no DNS label": lambda service: service["metadata"].update(name="3x"),
    "no duration": _annotated("ray.io/initializing-timeout", "an hour"),
    "above zero": _annotated("ray.io/initializing-timeout", "0s"),
    "no container": _in_worker(template={"spec": {"containers": []}}),
    "both in rayStartParams": _in_head(resources={"CPU": "1"}),
    "not into rayStartParams": _in_worker(rayStartParams={"labels": "a=b"}),
    "is no label": _in_worker(labels={"a key": "b"}),
    "needed without the autoscaler": _without_autoscaler(_in_worker(maxReplicas=None)),
    "negative number": _in_worker(minReplicas=-1),
    "minReplicas above": _in_worker(minReplicas=3),
    "suspended": _in_worker(suspend=True),
    "autoscalerOptions: negative": _in_cluster(autoscalerOptions={"idleTimeoutSeconds": -1}),
    "cpu: negative idle": _in_worker(idleTimeoutSeconds=-1),
    "idleTimeoutSeconds without": _without_autoscaler(_in_worker(idleTimeoutSeconds=9)),
    "priority without": _without_autoscaler(_in_worker(priority=1)),
    "without the autoscaler": _without_autoscaler(_environment("RAY_enable_autoscaler_v2", "1")),
    "beside autoscalerOptions.version": _environment("RAY_enable_autoscaler_v2", "1"),
    "is the operator's": _in_cluster(
        autoscalerOptions={"env": [{"name": "KUBERAY_GEN_AUTOSCALER_START_CMD", "value": ""}]}
    ),
    "restartPolicy Always": _in_worker(
        template={"spec": {"containers": [{}], "restartPolicy": "Always"}}
    ),
    "RAY_REDIS_ADDRESS without": _environment("RAY_REDIS_ADDRESS", "redis:6379"),
    "RAY_REDIS_ADDRESS beside": _environment("RAY_REDIS_ADDRESS", "redis:6379", **REDIS),
    "REDIS_PASSWORD beside": _environment("REDIS_PASSWORD", "secret", **REDIS),
    "ft-enabled beside": _annotated("ray.io/ft-enabled", "true", **REDIS),
    "namespace beside": _annotated("ray.io/external-storage-namespace", "mine", **REDIS),
    "rocksdb": _in_cluster(gcsFaultToleranceOptions={"backend": "rocksdb"}),
    "Redis' user": _environment("REDIS_USERNAME", "me"),
    "needs rayVersion 2.52": _in_cluster(rayVersion="2.51.0"),
    "not for a RayService": _in_cluster(authOptions={"mode": "token", "enableK8sTokenAuth": True}),
    "rayClusterConfig.networkPolicy": _in_cluster(networkPolicy={}),
    "headService.metadata.name": _in_head(headService={"metadata": {"name": "mine"}}),
    "is none of": lambda service: service["spec"].update(upgradeStrategy={"type": "Rolling"}),
    "DeletionDelaySeconds": lambda service: service["spec"].update(
        rayClusterDeletionDelaySeconds=-1
    ),
    "needs the autoscaler": _without_autoscaler(_upgrading()),
    "maxSurgePercent is no": _upgrading(maxSurgePercent=101),
    "stepSizePercent is no": _upgrading(stepSizePercent=-1),
    "stepSizePercent is above": _upgrading(maxSurgePercent=5),
    "intervalSeconds": _upgrading(intervalSeconds=0),
    "gatewayClassName": _upgrading(gatewayClassName=""),
}


@needs_helm
@pytest.mark.parametrize("values", VALUES)
def test_the_operator_takes_what_is_rendered(values):
    """No set of values makes a RayService that KubeRay would refuse."""
    assert complaints(rendered(values).one("RayService")) == []


def test_a_sound_service_is_taken():
    """The object that the next test breaks is whole before."""
    assert complaints(_service()) == []


@pytest.mark.parametrize("says", BROKEN)
def test_the_rules_see(says):
    """Each rule finds the fault that it is there for."""
    service = _service()

    BROKEN[says](service)

    assert [text for text in complaints(service) if says in text]


def test_every_rule_is_broken_somewhere():
    """No rule is there that finds nothing."""
    silent = set(RULES)
    for change in BROKEN.values():
        service = _service()
        change(service)
        silent -= {rule for rule in RULES if list(rule(service))}

    assert silent == set()
