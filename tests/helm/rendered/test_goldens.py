"""The objects that matter most, as they were read and found right.

`python -m tests.helm.rendered.test_goldens` writes them anew; read the difference before you commit
it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.rendered.charts import Rendered, rendered

GOLDEN = Path(__file__).parent / "golden"


def _without_pods(chart: Rendered) -> dict[str, Any]:
    """The RayService's spec without what other goldens show."""
    cluster = dict(chart.cluster)
    cluster["headGroupSpec"] = {**cluster["headGroupSpec"], "template": None}
    cluster["workerGroupSpecs"] = [it | {"template": None} for it in cluster["workerGroupSpecs"]]
    return {**chart.service, "serveConfigV2": None, "rayClusterConfig": cluster}


def _worker(chart: Rendered) -> dict[str, Any]:
    """A worker's pod; its init containers without what they have in common with the worker."""
    pod = chart.ray_pods["cpu"]
    shared = ("env", "image", "imagePullPolicy", "securityContext")
    initial = [
        {key: part for key, part in container.items() if key not in shared}
        for container in pod["spec"]["initContainers"]
    ]
    return {**pod, "spec": {**pod["spec"], "initContainers": initial}}


OBJECTS: dict[str, Callable[[], Any]] = {
    "head": lambda: rendered("defaults").head,
    "worker": lambda: _worker(rendered("defaults")),
    "serve-config": lambda: rendered("classifier").serve_config,
    "ray-service": lambda: _without_pods(rendered("values-gpu-vllm")),
    "model-server": lambda: rendered("values-gpu-vllm").one("Deployment", "trial-niche-small"),
}


class _Readable(yaml.SafeDumper):
    """Shows nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(name: str) -> str:
    # The innermost lists and maps take one line each.
    options = {"width": 100, "default_flow_style": None, "sort_keys": False}
    return yaml.dump(OBJECTS[name](), Dumper=_Readable, **options)


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_as_it_was_read(name):
    """Nothing changed unseen."""
    assert _text(name) == (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")


if __name__ == "__main__":
    for wanted in OBJECTS:
        (GOLDEN / f"{wanted}.yaml").write_text(_text(wanted), encoding="utf-8")
