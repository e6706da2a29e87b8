"""What KubeRay 1.7 checks in a RayService beyond its schema: the chart keeps all of it.

The operator refuses such an object only after the API server accepted it: it would lie there and do
nothing. A rule looks at one RayService and tells whether it is broken; only those are here that
values of the chart could break.
"""

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.helm.rendered.charts import everywhere

Service = dict[str, Any]
Change = Callable[[Service], object]

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])?")
_DURATION = re.compile(r"(\d+(\.\d+)?(ns|us|ms|s|m|h))+|\d+")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_INCREMENTAL = "NewClusterWithIncrementalUpgrade"
_REDIS_ENVIRONMENT = {"RAY_REDIS_ADDRESS", "REDIS_PASSWORD", "REDIS_USERNAME"}


def _cluster(service: Service) -> dict[str, Any]:
    return service["spec"]["rayClusterConfig"]


def _head(service: Service) -> dict[str, Any]:
    return _cluster(service)["headGroupSpec"]


def _workers(service: Service) -> list[dict[str, Any]]:
    return _cluster(service)["workerGroupSpecs"]


def _head_environment(service: Service) -> set[str]:
    container = _head(service)["template"]["spec"]["containers"][0]
    return {entry["name"] for entry in container.get("env", [])}


def _scales(service: Service) -> bool:
    return bool(_cluster(service).get("enableInTreeAutoscaling"))


def _ray(service: Service) -> tuple[int, ...]:
    return tuple(int(part) for part in _cluster(service)["rayVersion"].split(".")[:2])


def _bad_timeout(service: Service) -> bool:
    said = service["metadata"]["annotations"].get("ray.io/initializing-timeout", "1s")
    return not _DURATION.fullmatch(said) or not re.search(r"[1-9]", said)


def _bad_sizes(service: Service) -> bool:
    return any(not 0 <= it["minReplicas"] <= it["maxReplicas"] for it in _workers(service))


def _bad_labels(service: Service) -> bool:
    values = [value for group in _workers(service) for value in group.get("labels", {}).values()]
    return not all(_LABEL_VALUE.fullmatch(value) for value in values)


def _group_setting_without_autoscaler(service: Service) -> bool:
    settings = {"idleTimeoutSeconds", "priority"}
    return not _scales(service) and any(settings & set(group) for group in _workers(service))


def _priority_before_2_56(service: Service) -> bool:
    return _ray(service) < (2, 56) and any("priority" in group for group in _workers(service))


def _restarting_pod(service: Service) -> bool:
    specs = [group["template"]["spec"] for group in (_head(service), *_workers(service))]
    return _scales(service) and any(spec.get("restartPolicy", "Never") != "Never" for spec in specs)


def _redis_beside_its_options(service: Service) -> bool:
    annotations = {"ray.io/ft-enabled", "ray.io/external-storage-namespace"}
    return bool(
        _REDIS_ENVIRONMENT & _head_environment(service)
        or annotations & set(service["metadata"]["annotations"])
        or {"redis-password", "redis-username"} & set(_head(service)["rayStartParams"])
    )


def _token_before_2_52(service: Service) -> bool:
    return _cluster(service)["authOptions"]["mode"] == "token" and _ray(service) < (2, 52)


def _bad_steps(service: Service) -> bool:
    strategy = service["spec"].get("upgradeStrategy", {})
    if strategy.get("type") != _INCREMENTAL:
        return False
    options = strategy["clusterUpgradeOptions"]
    return not (
        _scales(service)
        and options.get("gatewayClassName")
        and options["intervalSeconds"] > 0
        and 0 <= options["stepSizePercent"] <= options.get("maxSurgePercent", 100) <= 100
    )


RULES: dict[str, Callable[[Service], bool]] = {
    "name": lambda service: not _NAME.fullmatch(service["metadata"]["name"]),
    "timeout": _bad_timeout,
    "sizes": _bad_sizes,
    "labels": _bad_labels,
    "group-setting-without-autoscaler": _group_setting_without_autoscaler,
    "priority-before-2.56": _priority_before_2_56,
    "autoscaler-chosen-twice": lambda service: (
        "RAY_enable_autoscaler_v2" in _head_environment(service)
    ),
    "restarting-pod": _restarting_pod,
    "redis-beside-its-options": _redis_beside_its_options,
    "token-before-2.52": _token_before_2_52,
    "steps": _bad_steps,
}


def _broken(service: Service) -> set[str]:
    return {name for name, breaks in RULES.items() if breaks(service)}


def _small_service() -> Service:
    template: dict[str, Any] = {"spec": {"containers": [{"name": "ray"}]}}
    group = {"groupName": "cpu", "minReplicas": 1, "maxReplicas": 2, "template": template}
    return {
        "metadata": {"name": "answers", "annotations": {}},
        "spec": {
            "rayClusterConfig": {
                "rayVersion": "2.60.0",
                "authOptions": {"mode": "token"},
                "enableInTreeAutoscaling": True,
                "headGroupSpec": {"rayStartParams": {}, "template": deepcopy(template)},
                "workerGroupSpecs": [group],
            }
        },
    }


def _in_cluster(**values: Any) -> Change:
    return lambda service: _cluster(service).update(values)


def _in_worker(**values: Any) -> Change:
    return lambda service: _workers(service)[0].update(values)


def _annotated(key: str, value: str) -> Change:
    return lambda service: service["metadata"]["annotations"].update({key: value})


def _environment(name: str) -> Change:
    entry = {"name": name, "value": "1"}
    return lambda service: _head(service)["template"]["spec"]["containers"][0].update(env=[entry])


def _upgrading(**options: Any) -> Change:
    steps = {"gatewayClassName": "istio", "stepSizePercent": 10, "intervalSeconds": 5} | options
    strategy = {"type": _INCREMENTAL, "clusterUpgradeOptions": steps}
    return lambda service: service["spec"].update(upgradeStrategy=strategy)


def _all(*changes: Change) -> Change:
    return lambda service: [change(service) for change in changes]


_unscaled = _in_cluster(enableInTreeAutoscaling=False)
_restarting = {"spec": {"containers": [{}], "restartPolicy": "Always"}}

BREAKING: dict[str, tuple[str, Change]] = {
    "long-name": ("name", lambda service: service["metadata"].update(name="a" * 48)),
    "name-with-digit": ("name", lambda service: service["metadata"].update(name="3x")),
    "no-duration": ("timeout", _annotated("ray.io/initializing-timeout", "an hour")),
    "zero-duration": ("timeout", _annotated("ray.io/initializing-timeout", "0s")),
    "min-above-max": ("sizes", _in_worker(minReplicas=3)),
    "negative-size": ("sizes", _in_worker(minReplicas=-1)),
    "no-label": ("labels", _in_worker(labels={"niche-group": "b c"})),
    "idle-timeout": (
        "group-setting-without-autoscaler",
        _all(_unscaled, _in_worker(idleTimeoutSeconds=9)),
    ),
    "priority": (
        "priority-before-2.56",
        _all(_in_cluster(rayVersion="2.55.0"), _in_worker(priority=1)),
    ),
    "autoscaler": ("autoscaler-chosen-twice", _environment("RAY_enable_autoscaler_v2")),
    "restart": ("restarting-pod", _in_worker(template=_restarting)),
    "redis-variable": ("redis-beside-its-options", _environment("RAY_REDIS_ADDRESS")),
    "redis-annotation": ("redis-beside-its-options", _annotated("ray.io/ft-enabled", "true")),
    "old-ray": ("token-before-2.52", _in_cluster(rayVersion="2.51.0")),
    "steps-unscaled": ("steps", _all(_unscaled, _upgrading())),
    "steps-above-surge": ("steps", _upgrading(maxSurgePercent=5)),
    "steps-without-interval": ("steps", _upgrading(intervalSeconds=0)),
    "steps-without-class": ("steps", _upgrading(gatewayClassName="")),
}


def test_the_operator_takes_what_is_rendered():
    """No set of values makes a RayService that KubeRay would refuse."""
    for values, chart in everywhere():
        assert _broken(chart.one("RayService")) == set(), values


@pytest.mark.parametrize("case", BREAKING)
def test_a_rule_finds_what_breaks_it(case):
    """A service that breaks no rule breaks exactly one after the change."""
    rule, change = BREAKING[case]
    service = _small_service()
    assert _broken(service) == set()

    change(service)

    assert _broken(service) == {rule}


def test_every_rule_can_be_broken():
    """No rule is there that finds nothing."""
    assert {rule for rule, _change in BREAKING.values()} == set(RULES)
