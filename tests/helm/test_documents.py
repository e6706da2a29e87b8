"""What the chart repeats of the project is fresh, what it runs exists, every value is explained.

These tests need no helm.
"""

import json
import re
import tomllib
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any

import jsonschema
import pytest
import yaml

from cli.main import main
from deployments.spec import engine_names
from router.types import GENERAL
from tests.helm.documents import CHART, ROOT, Uncommented, documents, value_rows

NICHE = "niche:\n  generalist: {name: a, model: b, "


def _schema() -> dict[str, Any]:
    return yaml.safe_load((CHART / "values.schema.json").read_text(encoding="utf-8"))


def _values() -> dict[str, Any]:
    return yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def _violations(values: str) -> list[str]:
    validator = jsonschema.Draft7Validator(_schema())
    given = {"workerGroups": {"cpu": {}}} | yaml.safe_load(values)
    return [error.message for error in validator.iter_errors(given)]


def test_the_documents_are_fresh():
    """What they hold is what the project says now; `make docs` mends them."""
    stale = [
        path.name for path, text in documents().items() if path.read_text(encoding="utf-8") != text
    ]

    assert stale == []


def _templates() -> str:
    """The text of all templates."""
    paths = sorted((CHART / "templates").rglob("*.*"))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_what_the_chart_imports_exists():
    """Every module that a container runs, and every import path of Serve, is there to import."""
    text = _templates()
    modules = set(re.findall(r"python(?:, -m, | -m )([\w.]+)", text))
    builders = set(re.findall(r"import_path: ([\w.]+:\w+)", text))
    assert modules
    assert builders
    assert [name for name in sorted(modules) if not find_spec(name)] == []
    assert [path for path in sorted(builders) if not callable(resolve_name(path))] == []


def test_the_commands_that_the_chart_runs_exist(capsys):
    """`niche` knows the commands of the init containers."""
    text = _templates()
    commands = {
        tuple(re.findall(r"\w+", found))
        for found in re.findall(r"\bniche,? ((?:\w+,? )+)(?:--elsewhere )?--config", text)
    }
    assert commands == {("config", "check"), ("models", "pull")}

    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main([*command, "--help"])
        assert ended.value.code == 0
        assert "--config" in capsys.readouterr().out


def test_versions_are_the_project_s():
    """Ray's version is the one that is installed, the application's that of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert f"ray[serve]=={_values()['ray']['version']}" in project["dependencies"]
    assert chart["appVersion"] == project["version"]


def test_domains_are_the_artifact_s():
    """The chart knows the domains that the included artifact knows."""
    path = ROOT / "router" / "artifacts" / "default" / "artifact.json"
    known = set(json.loads(path.read_text(encoding="utf-8"))["classes"]) - {GENERAL}

    assert set(_values()["routerArtifact"]["domains"]) == known


def test_the_image_has_what_the_chart_runs():
    """Probes and scripts need wget and bash (of Debian); the load test, traces and a store of
    responses need their extras."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert re.search(r"apt-get install .*\bwget\b", dockerfile)
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)[-1] == "python:3.11-slim"
    assert set(re.findall(r"^ARG EXTRAS=(\S+)", dockerfile, re.MULTILINE)) == {"tracing,load,redis"}


def test_the_chart_holds_no_python():
    """The folder is importable as a package by accident: nothing in it may be."""
    assert list(CHART.parent.rglob("*.py")) == []


def test_the_chart_s_values_fit_their_schema():
    """The defaults themselves are valid."""
    assert _violations((CHART / "values.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("engine", engine_names())
def test_an_engine_s_options_are_checked(engine):
    """The schema knows every engine's options; of vLLM's own, which vLLM checks, it knows none."""
    wrong = "stall_seconds: 0" if engine == "vllm" else "no_such_option: 1"

    assert _violations(f"{NICHE}engine: {engine}, engine_options: {{{wrong}}}}}") != []
    assert _violations(f"{NICHE}engine: {engine}}}") == []


def test_the_default_engine_s_options_are_checked():
    """A model that names no engine is the default engine's."""
    assert _violations(f"{NICHE}engine_options: {{max_context_tokens: 64}}}}") == []
    assert _violations(f"{NICHE}engine_options: {{reply: hello}}}}") != []


def test_a_server_s_url_may_be_absent():
    """The URL of a model behind a server is the chart's to fill in."""
    assert _violations(f"{NICHE}engine: openai, engine_options: {{timeout_seconds: 9}}}}") == []


def test_a_value_has_its_row():
    """A row has the key's path, its default, and the comment above it."""
    text = "a:\n  # -- What b is,\n  # in two lines.\n  b: 1\n"

    assert value_rows(text) == ["| `a.b` | `1` | What b is, in two lines. |"]


def test_a_value_without_comment_is_refused():
    """No value goes unexplained."""
    with pytest.raises(Uncommented, match=r"a\.c"):
        value_rows("a:\n  # -- What b is.\n  b: 1\n  c: 2\n")


def test_every_key_of_the_schema_is_explained():
    """The table of values has every key that the schema allows."""
    rows = value_rows((CHART / "values.yaml").read_text(encoding="utf-8"))
    told = {row.split("`")[1] for row in rows}
    told |= {".".join(path.split(".")[:2]) for path in told}
    schema, allowed = _schema(), set()
    for key, part in schema["properties"].items():
        whole = schema["definitions"].get(part.get("$ref", "").split("/")[-1], part)
        allowed |= {f"{key}.{inner}" for inner in whole.get("properties", {})} or {key}

    assert allowed - told - {"global"} == set()
