"""Objects against their schemas, unknown fields refused: Kubernetes' own kinds by
kubernetes-validate, custom ones by their CustomResourceDefinitions.

The definitions are public files of other projects and not part of this one: `NICHE_CRDS` names a
directory of them, or a tar archive (`helm/niche/README.md` says which and where from).
"""

import os
import re
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

KUBERNETES = "1.37"
_PLACE = os.environ.get("NICHE_CRDS", "")

needs_crds = pytest.mark.skipif(
    not _PLACE, reason="no CustomResourceDefinitions: name their directory in NICHE_CRDS"
)

_DEFINED = re.compile(r"^    kind: (\w+)$", re.MULTILINE)
_CUSTOM = ("ray.io", "monitoring.coreos.com", "keda.sh", "gateway.networking.k8s.io")


def is_custom(item: dict[str, Any]) -> bool:
    """Whether an object's kind is none of Kubernetes' own."""
    return item["apiVersion"].split("/")[0] in _CUSTOM


def violations(item: dict[str, Any]) -> list[str]:
    """What an object's schema says against it."""
    if is_custom(item):
        validator = jsonschema.Draft202012Validator(_schema(item["apiVersion"], item["kind"]))
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(item)]
    try:
        kubernetes_validate.validate(item, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error)]
    return []


@cache
def crds() -> dict[str, str]:
    """The definitions as text, by the kind that they define."""
    place = Path(_PLACE)
    if place.is_dir():
        texts = [path.read_text(encoding="utf-8") for path in sorted(place.glob("*.yaml"))]
    else:
        with tarfile.open(place) as archive:
            members = [member for member in archive.getmembers() if member.name.endswith(".yaml")]
            texts = [archive.extractfile(member).read().decode() for member in members]
    if not texts:
        raise ValueError(f"NICHE_CRDS={_PLACE}: there is no *.yaml; name the definitions' place")
    return {_DEFINED.search(text)[1]: text for text in texts}


@cache
def _schema(api_version: str, kind: str) -> dict[str, Any]:
    """Parsed only when it is asked for: the larger ones take seconds."""
    spec = yaml.load(crds()[kind], Loader=yaml.CSafeLoader)["spec"]
    [version] = [it for it in spec["versions"] if f"{spec['group']}/{it['name']}" == api_version]
    root = _strict(version["schema"]["openAPIV3Schema"])
    root["properties"]["metadata"] = {"type": "object"}  # as of every object, not of this kind
    return root


def _strict(node: Any) -> Any:
    """A structural schema as a JSON schema in which only named properties are allowed."""
    if isinstance(node, list):
        return [_strict(part) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {key: _strict(part) for key, part in node.items() if not key.startswith("x-kubernetes")}
    if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made
