"""What the chart repeats of the project, written anew: `python -m tests.helm.documents`.

- `files/niche.yaml`: a copy of the project's `niche.yaml`.
- `files/engines.yaml`: the engines of which one process serves several models.
- `values.schema.json`: the definitions with capital letters are the configuration's own models, and
  the load tests' scenarios.
- `README.md`: the table of values is made of the comments in `values.yaml`.

Rule: nothing outside of these parts is touched.
"""

import json
import re
from pathlib import Path
from typing import Any

from cli.reference import ENGINE_OPTIONS
from deployments.spec import SHARED_ENGINES, engine_names
from gateway.config import NicheConfig
from loadtests.traffic.scenario import names as scenarios

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "helm" / "niche"

_TABLE = re.compile(r"(<!-- begin: values -->\n).*?(<!-- end: values -->)", re.DOTALL)
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[\w.-]+):(?: (?P<value>[^#]*))?(?:#.*)?$")


class Uncommented(LookupError):
    """A key of `values.yaml` has no comment."""


def documents() -> dict[Path, str]:
    """The files and what they should hold."""
    rows = value_rows(_read(CHART / "values.yaml"))
    table = "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *rows])
    return {
        CHART / "files" / "niche.yaml": _read(ROOT / "niche.yaml"),
        CHART / "files" / "engines.yaml": _engines(),
        CHART / "values.schema.json": _schema(_read(CHART / "values.schema.json")),
        CHART / "README.md": _TABLE.sub(
            lambda found: f"{found[1]}\n{table}\n\n{found[2]}", _read(CHART / "README.md")
        ),
    }


def _engines() -> str:
    lines = (f"{name}: [{', '.join(sorted(of))}]\n" for name, of in sorted(SHARED_ENGINES.items()))
    title = "# Engines of which one process serves several models, with the options of one model.\n"
    return title + "".join(lines)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def value_rows(text: str) -> list[str]:
    """A row of the README for each key of `values.yaml` that has a value or a comment.

    Raises:
        Uncommented: a key with a value has no comment.
    """
    rows: list[str] = []
    place: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("# "):
            comment.append(line.strip()[2:])
            continue
        found = _KEY.match(line)
        if found:
            indent, key, value = len(found["indent"]), found["key"], found["value"]
            place = [*(above for above in place if above[0] < indent), (indent, key)]
            path = ".".join(part for _, part in place)
            if value and not comment:
                raise Uncommented(f"{path}: needs a comment above it")
            if comment:
                meaning = " ".join(comment).removeprefix("-- ").replace("|", "\\|")
                rows.append(f"| `{path}` | {_default(value)} | {meaning} |")
        comment = []
    return rows


def _default(value: str | None) -> str:
    return "" if value is None else f"`{value.strip()}`"


def _schema(text: str) -> str:
    schema = json.loads(text)
    own = {name: part for name, part in schema["definitions"].items() if name[0].islower()}
    schema["definitions"] = own | _configuration()
    return json.dumps(schema, indent=2) + "\n"


def _configuration() -> dict[str, Any]:
    """The models of the configuration as JSON schemas, an engine's options by its name."""
    template = "#/definitions/{model}"
    config = NicheConfig.model_json_schema(ref_template=template)
    parts = {"NicheConfig": config, **config.pop("$defs")}
    for engine, options in sorted(ENGINE_OPTIONS.items()):
        parts[f"Options-{engine}"] = options.model_json_schema(ref_template=template)
    # Where a model server is, and where the gateway writes, is the chart's to know.
    for part in ("Options-openai", "ShadowSection", "DecisionLogSection"):
        parts[part].pop("required")
    parts["Scenario"] = {"enum": list(scenarios())}
    spec = parts["ModelSpec"]
    spec["properties"]["engine"]["enum"] = list(engine_names())
    spec["allOf"] = [_options_of(engine) for engine in sorted(ENGINE_OPTIONS)]
    return {name: _untitled(part) for name, part in sorted(parts.items())}


def _options_of(engine: str) -> dict[str, Any]:
    named: dict[str, Any] = {"properties": {"engine": {"const": engine}}}
    if engine != "llama":  # the default, which also holds where no engine is named
        named["required"] = ["engine"]
    options = {"$ref": f"#/definitions/Options-{engine}"}
    return {"if": named, "then": {"properties": {"engine_options": options}}}


def _untitled(part: Any) -> Any:
    """Without the titles that repeat the names, and the defaults that Helm does not fill in."""
    if isinstance(part, list):
        return [_untitled(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: value for key, value in part.items() if not _is_noise(key, value)}
    return {key: _untitled(value) for key, value in kept.items()}


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or key == "default"


def main() -> None:
    """Writes the files."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
