"""Names that YAML would read as something else, such as `4711` and `on`, stay text everywhere."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from tests.helm.rendered.charts import NEWEST, Rendered, objects_of, run

_ARTIFACTS = {
    "persistentVolumeClaim": lambda word: {"claimName": word, "subPath": word},
    "configMap": lambda word: {"name": word},
    "image": lambda word: {"reference": word},
    "download": lambda word: {"image": word, "command": [word], "secretName": word},
}
_WORDS = (("4711", "niche"), ("on", "on"))
"""What stands wherever any text may, and where names begin with a letter."""


def _values(word: str, name: str) -> dict[str, Any]:
    """Values in which whatever the operator names is called by the word."""
    model = {"model": word, "engine": "fake", "resources": {"num_cpus": 0.1}}
    return {
        "nameOverride": word,
        "fullnameOverride": name,
        "image": {"repository": word, "tag": word},
        "niche": {
            "generalist": model | {"name": "general", "deployment": "own"},
            "specialists": [
                model | {"name": word, "domain": "sql", "pool": word},
                {"name": "tools", "domain": "tools", "model": word, "engine": "openai"},
            ],
            "router": {"deployment": {"replicas": 1}},
        },
        "placement": {"gateway": name, "models": {"general": name}, "pools": {word: name}},
        "workerGroups": {
            name: {
                "minAvailable": 1,
                "priorityClassName": word,
                "runtimeClassName": word,
                "env": {name: word},
            }
        },
        "modelServers": {
            name: {
                "models": ["tools"],
                "model": word,
                "image": word,
                "adapterImage": word,
                "adapters": {word: "/adapters/a"},
                "maxLoraRank": 16,
                "minAvailable": 1,
                "hpa": {"minReplicas": 1, "maxReplicas": 2, "metrics": [{"type": "Pods"}]},
            }
        },
        "ray": {"auth": {"existingSecret": word}},
        "huggingFace": {"existingSecret": word, "key": word},
        "serviceAccount": {"name": word},
        "ingress": {"enabled": True, "className": word, "hosts": ["niche.example.com"]},
        "gcsFaultTolerance": {
            "enabled": True,
            "redisAddress": "redis:6379",
            "passwordSecret": word,
            "passwordKey": word,
            "usernameKey": word,
        },
        "loadTest": {"enabled": True, "workers": 1, "host": "http://[::1]:8000"},
        "networkPolicy": {"enabled": True, "scrapers": [{"podSelector": {}}]},
        "monitoring": {key: {"enabled": True} for key in ("podMonitor", "serviceMonitor")},
    }


def _secrets_and_claims(word: str, *, existing: bool) -> dict[str, Any]:
    """Those of the operator, or those that the chart makes."""
    if existing:
        claim = {"existingClaim": word}
        keys: dict[str, Any] = {"existingSecret": word, "key": word}
    else:
        claim = {"storageClassName": word}
        keys = {"values": ["a-key-for-trials"], "key": word}
    volumes = {key: {"persistence": claim | {"enabled": True}} for key in ("modelCache", "state")}
    return volumes | {"apiKeys": keys}


@cache
def _rendered(word: str, name: str, source: str) -> Rendered:
    existing = source in ("persistentVolumeClaim", "image")
    artifact = {"source": source, source: _ARTIFACTS[source](word), "domains": ["sql", "tools"]}
    values = _values(word, name) | _secrets_and_claims(word, existing=existing)
    sets = [
        part
        for key, value in (values | {"routerArtifact": artifact}).items()
        for part in ("--set-json", f"{key}={json.dumps(value)}")
    ]
    return objects_of(run(NEWEST, "template", word, ".", "--namespace", word, *sets))


def _not_text(node: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """The places of leaves and of keys that are no text."""
    if isinstance(node, dict):
        for key, value in node.items():
            if not isinstance(key, str):
                yield (*path, type(key).__name__, "key")
            yield from _not_text(value, *path, str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _not_text(value, *path)
    elif not isinstance(node, str):
        yield (*path, type(node).__name__)


def _places(chart: Rendered) -> set[tuple[str, ...]]:
    """Those of every object, and of the YAML in their text."""
    texts = {"serveConfigV2": chart.serve_config, "niche.yaml": chart.niche}
    parts = [(item["kind"], item) for item in chart.objects]
    return {place for kind, part in (*parts, *texts.items()) for place in _not_text(part, kind)}


@pytest.mark.parametrize("source", _ARTIFACTS)
@pytest.mark.parametrize(("word", "name"), _WORDS, ids=[word for word, _ in _WORDS])
def test_a_name_is_text_whatever_it_looks_like(word, name, source):
    """No leaf and no key is a number or a truth value that is text with names of letters."""
    chart, lettered = _rendered(word, name, source), _rendered("word", "name", source)

    assert _places(chart) - _places(lettered) == set()
    assert yaml.safe_dump(list(chart.objects)).count(word) > 100  # the names do stand there
