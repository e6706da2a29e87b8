"""What helm renders for a run, and how the pods start: with what KubeRay adds to it.

Rule: environment, grace, hooks and the Serve configuration are the chart's; none is repeated here.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from loadtests.traffic.errors import LoadTestError

GCS_PORT, DASHBOARD_PORT, SERVE_PORT = 6379, 8265, 8000
_GIBIBYTE = 1 << 30
_RECONNECT = {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}
"""KubeRay sets it for workers whose head keeps its state in Redis."""


@dataclass(frozen=True)
class PodSpec:
    """What a pod is.

    Attributes:
        command: starts its Ray node.
        environment: of the container.
        pre_stop: what the kubelet runs before it sends SIGTERM; empty: nothing.
        grace_seconds: from then to SIGKILL.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    pre_stop: tuple[str, ...]
    grace_seconds: float


@dataclass(frozen=True)
class Chart:
    """A rendered release."""

    head: PodSpec
    worker: PodSpec
    serve_config: Mapping[str, Any]


def render(helm: Path, chart: Path, values: Mapping[str, Any], folder: Path, head: str) -> Chart:
    """Renders the chart.

    Args:
        helm: the program.
        chart: its folder.
        values: those that differ from the chart's own.
        folder: for the file of them.
        head: address of the head.

    Raises:
        LoadTestError: helm refuses.
    """
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
    command = [str(helm), "template", "nodes", str(chart), "--values", str(path)]
    command += ["--show-only", "templates/rayservice.yaml"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LoadTestError(f"{helm}: {error.strerror}; `make chart-tools` fetches helm") from error
    if done.returncode:
        raise LoadTestError(f"helm template: {done.stderr.strip()}")
    return read(yaml.safe_load(done.stdout), head)


def read(service: Mapping[str, Any], head: str) -> Chart:
    """A RayService as its pods and its Serve configuration."""
    cluster = service["spec"]["rayClusterConfig"]
    options, [group] = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    gcs = cluster["gcsFaultToleranceOptions"]["redisAddress"]
    labels = [f"--labels={key}={value}" for key, value in group["labels"].items()]
    return Chart(
        _pod(options, ["--head", f"--port={GCS_PORT}"], {"RAY_REDIS_ADDRESS": gcs}),
        _pod(group, [f"--address={head}:{GCS_PORT}", *labels], _RECONNECT),
        yaml.safe_load(service["spec"]["serveConfigV2"]),
    )


def image_environment(dockerfile: str) -> dict[str, str]:
    """What the project's image sets for Ray Serve."""
    return dict(re.findall(r"\b(RAY_SERVE_\w+)=(\S+)", dockerfile))


def _pod(group: Mapping[str, Any], start: list[str], more: dict[str, str]) -> PodSpec:
    spec = group["template"]["spec"]
    container = spec["containers"][0]
    limits = container["resources"]["limits"]
    known = {
        "num-cpus": str(limits["cpu"]),
        "memory": str(int(limits["memory"].removesuffix("Gi")) * _GIBIBYTE),
        "metrics-export-port": "8080",
        "dashboard-agent-listen-port": "52365",
    }
    params = known | group["rayStartParams"]
    hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    written = [f"--{name}={value}" for name, value in sorted(params.items())]
    return PodSpec(
        ("ray", "start", "--block", *start, *written),
        {of["name"]: of["value"] for of in container["env"] if "value" in of} | more,
        tuple(hook),
        float(spec["terminationGracePeriodSeconds"]),
    )
