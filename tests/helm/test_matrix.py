"""Every set of values, with every helm: accepted, alike, and valid to the last field."""

from collections import Counter
from typing import Any

import pytest

from tests.helm.charts import NEWEST, VALUES, lint, matrix, rendered
from tests.helm.marks import needs_crds, needs_helm
from tests.helm.schemas import complaints, is_custom
from tests.helm.tools import RELEASES, helms

pytestmark = needs_helm


def _identity(item: dict[str, Any]) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def test_both_majors_are_here():
    """The matrix is run by helm 3 and by helm 4."""
    assert list(helms()) == [release.helm for release in RELEASES]


@pytest.mark.parametrize("helm", helms())
@pytest.mark.parametrize("values", VALUES)
def test_lint_finds_nothing(values, helm):
    """`helm lint --strict` accepts the values."""
    outcome = matrix()[lint(helm, values)]

    assert outcome.code == 0, outcome.output


@pytest.mark.parametrize("values", VALUES)
def test_the_majors_render_alike(values):
    """Helm 3 and helm 4 make the same objects of the values."""
    alike = [sorted(rendered(values, helm).objects, key=_identity) for helm in helms()]

    assert all(objects == alike[0] for objects in alike)


@pytest.mark.parametrize("values", VALUES)
def test_kubernetes_takes_its_own_kinds(values):
    """Objects of Kubernetes' kinds fit its schemas, without a field that it does not know."""
    found = [
        (_identity(item), complaints(item))
        for item in rendered(values).objects
        if not is_custom(item)
    ]

    assert [entry for entry in found if entry[1]] == []


@needs_crds
@pytest.mark.parametrize("values", VALUES)
def test_definitions_take_custom_kinds(values):
    """Objects of custom kinds fit their definitions, without a field that these do not know."""
    found = [
        (_identity(item), complaints(item)) for item in rendered(values).objects if is_custom(item)
    ]

    assert [entry for entry in found if entry[1]] == []


@pytest.mark.parametrize("values", VALUES)
def test_names_are_unique(values):
    """No object is rendered twice."""
    counts = Counter(_identity(item) for item in rendered(values).objects)

    assert [identity for identity, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("values", VALUES)
def test_the_chart_s_objects_say_whose_they_are(values):
    """Every object but the operator's extra ones has the recommended labels."""
    wanted = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "helm.sh/chart"}
    own = [item for item in rendered(values).objects if "namespace" in item["metadata"]]

    assert [_identity(item) for item in own if not wanted <= set(item["metadata"]["labels"])] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("metadata", "annotatons"), {}),
        (("spec", "template", "spec", "containers"), [{"name": "x", "imge": "y"}]),
        (("spec", "replicas"), "two"),
    ],
    ids=["field", "inner-field", "type"],
)
def test_the_schemas_of_kubernetes_are_strict(path, value):
    """An unknown field and a wrong type are found."""
    item = _changed(rendered("model-servers").all("Deployment")[0], path, value)

    assert complaints(item)


@needs_crds
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "serveConfig"), ""),
        (("spec", "rayClusterConfig", "headGroupSpec", "templat"), {}),
        (("spec", "rayClusterDeletionDelaySeconds"), "60s"),
        (("spec", "rayClusterConfig", "authOptions"), {"mode": "password"}),
    ],
    ids=["field", "inner-field", "type", "enumeration"],
)
def test_the_definitions_are_strict(path, value):
    """An unknown field, a wrong type and a value out of its set are found."""
    assert complaints(_changed(rendered("defaults").one("RayService"), path, value))


def _changed(item: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of an object with another value at a place."""
    key, *rest = path
    return {**item, key: _changed(item[key], tuple(rest), value) if rest else value}


def test_there_is_a_newest_helm():
    """What other tests render with is helm 4."""
    assert NEWEST.startswith("4.")
