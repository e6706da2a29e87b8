"""What KubeRay 1.7 checks in a RayService beyond its schema, in our words.

The operator refuses such an object only after it was accepted by the API server: it would lie there
and do nothing. Each rule looks at one RayService and says what is wrong, or nothing.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Rule = Callable[[dict[str, Any]], Iterator[str]]

MOST_NAME_CHARACTERS = 47
UPGRADES = ("NewCluster", "NewClusterWithIncrementalUpgrade", "None")
# Set by the operator, or by fields of their own.
_START_RESOURCES = ("num-cpus", "num-gpus", "memory", "resources")
_DURATION = re.compile(r"(\d+(\.\d+)?(ns|us|ms|s|m|h))+|\d+")
_LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def complaints(service: dict[str, Any]) -> list[str]:
    """Everything that the operator would say against a RayService."""
    return [text for rule in RULES for text in rule(service)]


def _cluster(service: dict[str, Any]) -> dict[str, Any]:
    return service["spec"]["rayClusterConfig"]


def _groups(service: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Head and worker groups, by name."""
    yield "head", _cluster(service)["headGroupSpec"]
    for group in _cluster(service).get("workerGroupSpecs", []):
        yield group["groupName"], group


def _workers(service: dict[str, Any]) -> list[dict[str, Any]]:
    return _cluster(service).get("workerGroupSpecs", [])


def _head_environment(service: dict[str, Any]) -> dict[str, Any]:
    container = _cluster(service)["headGroupSpec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def _scales(service: dict[str, Any]) -> bool:
    return bool(_cluster(service).get("enableInTreeAutoscaling"))


def _autoscaler_options(service: dict[str, Any]) -> dict[str, Any]:
    return _cluster(service).get("autoscalerOptions", {})


def _scales_by_v2(service: dict[str, Any]) -> bool:
    return _scales(service) and _autoscaler_options(service).get("version", "v2") == "v2"


def name_is_short_and_plain(service: dict[str, Any]) -> Iterator[str]:
    """Longer names are made of it, for services and pods."""
    name = service["metadata"]["name"]
    if len(name) > MOST_NAME_CHARACTERS:
        yield f"name {name} has more than {MOST_NAME_CHARACTERS} characters"
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        yield f"name {name} is no DNS label that begins with a letter"


def timeout_is_a_duration(service: dict[str, Any]) -> Iterator[str]:
    """The annotation is a duration as Go writes it, or seconds, above zero."""
    said = service["metadata"].get("annotations", {}).get("ray.io/initializing-timeout")
    if said and (not _DURATION.fullmatch(said) or not re.search(r"[1-9]", said)):
        yield f"ray.io/initializing-timeout: {said} is no duration above zero"


def pods_have_containers(service: dict[str, Any]) -> Iterator[str]:
    """Ray runs in the first one."""
    for name, group in _groups(service):
        if not group["template"]["spec"].get("containers"):
            yield f"{name}: no container"


def resources_are_said_once(service: dict[str, Any]) -> Iterator[str]:
    """As parameters of `ray start`, or as the group's resources."""
    for name, group in _groups(service):
        if group.get("resources") and set(_START_RESOURCES) & set(group.get("rayStartParams", {})):
            yield f"{name}: resources both in rayStartParams and in resources"


def labels_are_labels(service: dict[str, Any]) -> Iterator[str]:
    """Ray's labels stand in a field of their own and are written as Kubernetes' are."""
    for name, group in _groups(service):
        if "labels" in group.get("rayStartParams", {}):
            yield f"{name}: labels belong into the group's labels, not into rayStartParams"
        for key, value in group.get("labels", {}).items():
            if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
                yield f"{name}: {key}={value} is no label"


def sizes_are_ordered(service: dict[str, Any]) -> Iterator[str]:
    """No negative size, none below its minimum; without the autoscaler both ends are set."""
    for group in _workers(service):
        name, least, most = group["groupName"], group.get("minReplicas"), group.get("maxReplicas")
        if not _scales(service) and (least is None or most is None):
            yield f"{name}: minReplicas and maxReplicas are needed without the autoscaler"
        if (least or 0) < 0 or (most or 0) < 0:
            yield f"{name}: a negative number of replicas"
        if least is not None and most is not None and least > most:
            yield f"{name}: minReplicas above maxReplicas"


def groups_are_not_suspended(service: dict[str, Any]) -> Iterator[str]:
    """That is for jobs, behind a feature gate."""
    for group in _workers(service):
        if group.get("suspend"):
            yield f"{group['groupName']}: suspended"


def idle_timeouts_have_an_autoscaler(service: dict[str, Any]) -> Iterator[str]:
    """A group's own is for the autoscaler v2, and none is negative."""
    if _autoscaler_options(service).get("idleTimeoutSeconds", 0) < 0:
        yield "autoscalerOptions: negative idleTimeoutSeconds"
    for group in _workers(service):
        seconds = group.get("idleTimeoutSeconds")
        if seconds is not None and seconds < 0:
            yield f"{group['groupName']}: negative idleTimeoutSeconds"
        if seconds is not None and not _scales_by_v2(service):
            yield f"{group['groupName']}: idleTimeoutSeconds without the autoscaler v2"


def priorities_have_an_autoscaler(service: dict[str, Any]) -> Iterator[str]:
    """A group's priority is for the autoscaler v2 of Ray 2.56 and later."""
    for group in _workers(service):
        if group.get("priority") and not _scales_by_v2(service):
            yield f"{group['groupName']}: priority without the autoscaler v2"
        if group.get("priority") and _ray_version(service) < (2, 56):
            yield f"{group['groupName']}: priority needs Ray 2.56"


def autoscaler_is_chosen_once(service: dict[str, Any]) -> Iterator[str]:
    """By the option or by the environment, and v2 pods are never restarted in place."""
    said = _head_environment(service).get("RAY_enable_autoscaler_v2")
    if not _scales(service) and said in ("1", "true"):
        yield "RAY_enable_autoscaler_v2 without the autoscaler"
    if _scales(service) and said is not None and "version" in _autoscaler_options(service):
        yield "RAY_enable_autoscaler_v2 beside autoscalerOptions.version"
    if "KUBERAY_GEN_AUTOSCALER_START_CMD" in str(_autoscaler_options(service).get("env", "")):
        yield "autoscalerOptions.env: KUBERAY_GEN_AUTOSCALER_START_CMD is the operator's"
    for name, group in _groups(service):
        policy = group["template"]["spec"].get("restartPolicy", "Never")
        if _scales_by_v2(service) and policy != "Never":
            yield f"{name}: restartPolicy {policy} with the autoscaler v2"


def fault_tolerance_is_said_once(service: dict[str, Any]) -> Iterator[str]:
    """Redis stands in its options, and nowhere else."""
    options = _cluster(service).get("gcsFaultToleranceOptions")
    annotations = service["metadata"].get("annotations", {})
    parameters = _cluster(service)["headGroupSpec"].get("rayStartParams", {})
    environment = _head_environment(service)
    if options is None:
        said = {"RAY_REDIS_ADDRESS"} & set(environment)
        yield from (f"{key} without gcsFaultToleranceOptions" for key in said)
    else:
        said = {"ray.io/ft-enabled", "ray.io/external-storage-namespace"} & set(annotations)
        said |= {"RAY_REDIS_ADDRESS", "REDIS_PASSWORD"} & set(environment)
        said |= {"redis-password"} & set(parameters)
        yield from (f"{key} beside gcsFaultToleranceOptions" for key in sorted(said))
        if options.get("backend", "redis") != "redis":
            yield "the backend rocksdb needs a feature gate"
    if "redis-username" in parameters or "REDIS_USERNAME" in environment:
        yield "the name of Redis' user belongs into gcsFaultToleranceOptions"


def tokens_have_a_version(service: dict[str, Any]) -> Iterator[str]:
    """Token authentication came with Ray 2.52, and Kubernetes' tokens are not for services."""
    options = _cluster(service).get("authOptions", {})
    if options.get("mode") == "token" and _ray_version(service) < (2, 52):
        yield "authOptions.mode token needs rayVersion 2.52"
    if options.get("enableK8sTokenAuth"):
        yield "authOptions.enableK8sTokenAuth is not for a RayService"


def gated_fields_are_absent(service: dict[str, Any]) -> Iterator[str]:
    """What only a feature gate allows, which is off unless an operator turned it on."""
    for key in ("networkPolicy", "tlsOptions", "historyServerOptions", "upgradeStrategy"):
        if key in _cluster(service):
            yield f"rayClusterConfig.{key} is not for everybody's operator"


def head_service_has_no_name(service: dict[str, Any]) -> Iterator[str]:
    """The operator names it."""
    if _cluster(service)["headGroupSpec"].get("headService", {}).get("metadata", {}).get("name"):
        yield "headService.metadata.name is set"


def upgrade_is_possible(service: dict[str, Any]) -> Iterator[str]:
    """A known type; step by step only with the autoscaler and complete options."""
    strategy = service["spec"].get("upgradeStrategy", {})
    kind = strategy.get("type", UPGRADES[0])
    if kind not in UPGRADES:
        yield f"upgradeStrategy.type {kind} is none of {', '.join(UPGRADES)}"
    if service["spec"].get("rayClusterDeletionDelaySeconds", 0) < 0:
        yield "rayClusterDeletionDelaySeconds is negative"
    if kind == UPGRADES[1]:
        if not _scales(service):
            yield "an incremental upgrade needs the autoscaler"
        yield from _faults_of_steps(strategy.get("clusterUpgradeOptions", {}))


def _faults_of_steps(options: dict[str, Any]) -> Iterator[str]:
    surge, step = options.get("maxSurgePercent", 100), options.get("stepSizePercent", -1)
    if not 0 <= surge <= 100:
        yield "maxSurgePercent is no percentage"
    if not 0 <= step <= 100:
        yield "stepSizePercent is no percentage"
    if step > surge:
        yield "stepSizePercent is above maxSurgePercent"
    if options.get("intervalSeconds", 0) <= 0:
        yield "intervalSeconds is not above zero"
    if not options.get("gatewayClassName"):
        yield "gatewayClassName is absent"


def _ray_version(service: dict[str, Any]) -> tuple[int, ...]:
    said = _cluster(service).get("rayVersion", "0")
    return tuple(int(part) for part in said.split(".")[:2])


RULES: tuple[Rule, ...] = (
    name_is_short_and_plain,
    timeout_is_a_duration,
    pods_have_containers,
    resources_are_said_once,
    labels_are_labels,
    sizes_are_ordered,
    groups_are_not_suspended,
    idle_timeouts_have_an_autoscaler,
    priorities_have_an_autoscaler,
    autoscaler_is_chosen_once,
    fault_tolerance_is_said_once,
    tokens_have_a_version,
    gated_fields_are_absent,
    head_service_has_no_name,
    upgrade_is_possible,
)
"""All rules."""
