"""What the chart repeats of the project is fresh, and every value is explained."""

from typing import Any

import jsonschema
import pytest
import yaml

from deployments.spec import engine_names
from tests.helm.documents import CHART, Uncommented, documents, value_rows

NICHE = "niche:\n  generalist: {name: a, model: b, "


def _schema() -> dict[str, Any]:
    return yaml.safe_load((CHART / "values.schema.json").read_text(encoding="utf-8"))


def _complaints(values: str) -> list[str]:
    validator = jsonschema.Draft7Validator(_schema())
    given = {"workerGroups": {"cpu": {}}} | yaml.safe_load(values)
    return [error.message for error in validator.iter_errors(given)]


def test_the_documents_are_fresh():
    """What they hold is what the project says now; `make docs` mends them."""
    stale = [
        path.name for path, text in documents().items() if path.read_text(encoding="utf-8") != text
    ]

    assert stale == []


def test_the_chart_holds_no_python():
    """The folder is importable as a package by accident: nothing in it may be."""
    assert list(CHART.parent.rglob("*.py")) == []


def test_the_chart_s_values_fit_their_schema():
    """The defaults themselves are valid."""
    assert _complaints((CHART / "values.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("engine", engine_names())
def test_an_engine_s_options_are_checked(engine):
    """The schema knows every engine's options."""
    wrong = f"{NICHE}engine: {engine}, engine_options: {{no_such_option: 1}}}}"

    assert _complaints(wrong) != []
    assert _complaints(f"{NICHE}engine: {engine}}}") == []


def test_the_default_engine_s_options_are_checked():
    """A model that names no engine is the default engine's."""
    assert _complaints(f"{NICHE}engine_options: {{max_context_tokens: 64}}}}") == []
    assert _complaints(f"{NICHE}engine_options: {{reply: hello}}}}") != []


def test_a_server_s_url_may_be_absent():
    """The URL of a model behind a server is the chart's to fill in."""
    assert _complaints(f"{NICHE}engine: openai, engine_options: {{timeout_seconds: 9}}}}") == []


def test_a_value_has_its_row():
    """A row has the key's path, its default, and the comment above it."""
    text = "a:\n  # -- What b is,\n  # in two lines.\n  b: 1\n"

    assert value_rows(text) == ["| `a.b` | `1` | What b is, in two lines. |"]


def test_a_value_without_comment_is_refused():
    """No value goes unexplained."""
    with pytest.raises(Uncommented, match=r"a\.c: needs a comment"):
        value_rows("a:\n  # -- What b is.\n  b: 1\n  c: 2\n")


def test_every_key_of_the_schema_is_explained():
    """The table of values has every key that the schema allows."""
    rows = value_rows((CHART / "values.yaml").read_text(encoding="utf-8"))
    told = {row.split("`")[1] for row in rows}
    allowed = set()
    for key, part in _schema()["properties"].items():
        allowed |= {f"{key}.{inner}" for inner in part.get("properties", {})} or {key}

    named = told | {".".join(path.split(".")[:2]) for path in told}
    assert allowed - named - {"global"} == set()
