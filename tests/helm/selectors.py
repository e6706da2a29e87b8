"""Which pods a selector means, and what ports they have."""

from typing import Any

from tests.helm.charts import Rendered


def labels(chart: Rendered, name: str) -> dict[str, str]:
    """The labels of a pod, with those that the operator adds."""
    [pod] = [pod for where, pod in chart.pods() if where == name]
    return pod["metadata"]["labels"] | ({"ray.io/group": name} if name in chart.groups else {})


def selected(chart: Rendered, selector: dict[str, Any]) -> set[str]:
    """The pods that a selector means."""
    found = set()
    for name, _pod in chart.pods():
        own = labels(chart, name)
        fits = selector.get("matchLabels", {}).items() <= own.items()
        for rule in selector.get("matchExpressions", []):
            fits = fits and own.get(rule["key"]) in rule["values"]
        if fits:
            found.add(name)
    return found


def ports(chart: Rendered, name: str) -> dict[str, int]:
    """The ports of a pod's containers, by name."""
    [pod] = [pod for where, pod in chart.pods() if where == name]
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    return {
        port["name"]: port["containerPort"]
        for container in containers
        for port in container.get("ports", [])
    }


def of_ray(chart: Rendered) -> set[str]:
    """The pods that Ray runs in."""
    return {"head", *chart.groups}
