"""Every set of values, with every helm: accepted, rendered alike, and valid to the last field."""

from collections import Counter
from typing import Any

import pytest

from tests.helm.rendered.charts import VALUES, everywhere, rendered, run
from tests.helm.rendered.schemas import is_custom, needs_crds, violations
from tests.helm.tools import RELEASES, helms


def _identity(item: dict[str, Any]) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def _violations(values: str, *, custom: bool) -> list[tuple[tuple[str, str], list[str]]]:
    found = [
        (_identity(item), violations(item))
        for item in rendered(values).objects
        if is_custom(item) is custom
    ]
    return [entry for entry in found if entry[1]]


def test_both_majors_are_here():
    """The sets of values are rendered by helm 3 and by helm 4."""
    assert list(helms()) == [release.helm for release in RELEASES]


@pytest.mark.parametrize("helm", helms())
@pytest.mark.parametrize("values", ["defaults", "values-cpu", "values-gpu", "values-gpu-vllm"])
def test_lint_finds_nothing(values, helm):
    """`helm lint --strict` accepts the defaults and the examples."""
    outcome = run(helm, "lint", "--strict", ".", "--values", str(VALUES[values]))

    assert outcome.code == 0, outcome.output


def test_the_majors_render_alike():
    """Helm 3 and helm 4 make the same objects of the same values."""
    for values in VALUES:
        first, *others = (sorted(rendered(values, it).objects, key=_identity) for it in helms())
        assert all(objects == first for objects in others), values


@pytest.mark.parametrize("values", VALUES)
def test_kubernetes_takes_its_own_kinds(values):
    """Objects of Kubernetes' kinds fit its schemas, without a field that it does not know."""
    assert _violations(values, custom=False) == []


@needs_crds
@pytest.mark.parametrize("values", VALUES)
def test_definitions_take_custom_kinds(values):
    """Objects of custom kinds fit their definitions, without a field that these do not know."""
    assert _violations(values, custom=True) == []


def test_names_are_unique():
    """No object is rendered twice."""
    for values, chart in everywhere():
        counts = Counter(_identity(item) for item in chart.objects)
        assert [identity for identity, count in counts.items() if count > 1] == [], values


def test_objects_have_the_recommended_labels():
    """Every object has them, but for the values' extra objects, which name no namespace."""
    wanted = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "helm.sh/chart"}
    for values, chart in everywhere():
        own = [item for item in chart.objects if "namespace" in item["metadata"]]
        bare = [_identity(item) for item in own if not wanted <= set(item["metadata"]["labels"])]
        assert own, values
        assert bare == [], values


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("metadata", "annotatons"), {}, id="unknown-field"),
        pytest.param(
            ("spec", "template", "spec", "containers"),
            [{"name": "x", "imge": "y"}],
            id="unknown-inner-field",
        ),
        pytest.param(("spec", "replicas"), "two", id="wrong-type"),
    ],
)
def test_the_schemas_of_kubernetes_are_strict(path, value):
    """An unknown field and a wrong type are found."""
    assert violations(_changed(rendered("model-servers").all("Deployment")[0], path, value))


@needs_crds
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("spec", "serveConfig"), "", id="unknown-field"),
        pytest.param(
            ("spec", "rayClusterConfig", "headGroupSpec", "templat"), {}, id="unknown-inner-field"
        ),
        pytest.param(("spec", "rayClusterDeletionDelaySeconds"), "60s", id="wrong-type"),
        pytest.param(
            ("spec", "rayClusterConfig", "authOptions"), {"mode": "password"}, id="not-of-the-enum"
        ),
    ],
)
def test_the_definitions_are_strict(path, value):
    """An unknown field, a wrong type and a value out of its set are found."""
    assert violations(_changed(rendered("defaults").one("RayService"), path, value))


def _changed(item: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of an object with another value at a place."""
    key, *rest = path
    return {**item, key: _changed(item[key], tuple(rest), value) if rest else value}
