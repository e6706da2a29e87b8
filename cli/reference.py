"""Generates the pages of docs/reference from the code: `python -m cli.reference`.

Rule: do not edit these pages; a test compares them with the code.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from inspect import getdoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo

from cli.main import COMMANDS, parser_of
from deployments.engines._llama_options import LlamaOptions
from deployments.engines._vllm_options import VllmOptions
from deployments.engines.fake import FakeOptions
from deployments.engines.openai import OpenAIOptions
from deployments.spec import ModelSpec, engine_names
from gateway.config import NicheConfig
from gateway.dialects.embeddings import EmbeddingRequest
from gateway.dialects.parse import CHAT_UNSUPPORTED, TEXT_UNSUPPORTED
from gateway.dialects.rerank import RerankRequest
from gateway.dialects.schemas import ChatRequest, TextRequest
from gateway.edge.answers import ANSWERS
from gateway.edge.counts import FAMILIES
from gateway.errors import TABLE, error_response
from gateway.evidence.metrics import EvidenceMetrics
from gateway.metrics import Metrics
from router.types import Reason

FOLDER = Path("docs/reference")
ENGINE_OPTIONS: dict[str, type[BaseModel]] = {
    "llama": LlamaOptions,
    "vllm": VllmOptions,
    "openai": OpenAIOptions,
    "fake": FakeOptions,
}
"""The model of `engine_options` of each engine."""

_REASONS: dict[Reason, str] = {
    Reason.ROUTED: "the classifier is sure, the text is in distribution: a specialist answers",
    Reason.GENERAL: "the likeliest domain is `general`, or has no specialist",
    Reason.LOW_CONFIDENCE: "the likeliest domain is a specialist's, but not likely enough",
    Reason.OUT_OF_DISTRIBUTION: "likely enough, but unlike the training prompts",
    Reason.REQUESTED: "the request names its model",
    Reason.UNHEALTHY: "the first choice failed, or fails too often to be asked: the next answers",
    Reason.OVERLOADED: "the first choice has a full queue: the next answers",
    Reason.CONTEXT_LENGTH_EXCEEDED: "the first choice's context is too short: the next answers",
    Reason.GUARANTEE_INFEASIBLE: "no threshold meets the configured guarantee",
    Reason.NO_ACTIVE_SPECIALIST: "no specialist of the domain may get traffic: see lifecycle",
    Reason.LACKS_CAPABILITY: "the specialists of the domain cannot do what the request needs, such "
    "as call tools: the next that can answers",
    Reason.SAME_CONVERSATION: "the request answers this model's tool calls",
    Reason.CLASSIFIER_UNAVAILABLE: "the classifier is down, or did not answer in time",
}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_WORDS: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "`true` or `false`",
    dict: "mapping",
    tuple: "list of models",
    ModelSpec: "model",
}


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _settings(model: type[BaseModel]) -> str:
    titles = ("key", "value", "default", "meaning")
    return _table(titles, _setting_rows(model, ""))


def _setting_rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        key, inner = f"{prefix}{name}", _section_in(field.annotation)
        if inner is None or inner is ModelSpec:  # a model has a separate table
            yield f"`{key}`", _value(field), _default(field), field.description or ""
        else:
            yield f"`{key}`", "section", _default(field), field.description or ""
            yield from _setting_rows(inner, f"{key}.")


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation, which may be optional or a tuple."""
    candidates = (annotation, *get_args(annotation))
    return next((a for a in candidates if isinstance(a, type) and issubclass(a, BaseModel)), None)


def _value(field: FieldInfo) -> str:
    """The allowed values of a field: type, choices, bounds."""
    allowed = "`, `".join(engine_names()) if field is ModelSpec.model_fields["engine"] else ""
    kind = f"`{allowed}`" if allowed else _kind(field.annotation)
    return ", ".join([kind, *_bounds(field.metadata)])


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin is Annotated:
        return ", ".join([_kind(inner[0]), *_bounds(inner[1:])])
    if origin is tuple and _kind(inner[0]).startswith(_WORDS[str]):
        return f"list of {_kind(inner[0])}"
    if origin is frozenset:
        return f"list of {', '.join(f'`{choice}`' for choice in inner[0])}"
    if origin in (Union, UnionType):
        return _kind(next(kind for kind in inner if kind is not NoneType))
    return _WORDS[origin or annotation]


def _bounds(metadata: Iterable[Any]) -> Iterator[str]:
    for fact in metadata:
        pattern = getattr(fact, "pattern", None)
        if pattern:
            yield f"like `{getattr(pattern, 'pattern', pattern)}`"
        if isinstance(fact, StringConstraints):
            continue
        yield from (
            f"{sign} {getattr(fact, key):,}" for key, sign in _BOUNDS.items() if hasattr(fact, key)
        )
        if hasattr(fact, "min_length"):
            yield "not empty"
        if hasattr(fact, "max_length"):
            yield f"at most {fact.max_length} characters"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return ""
    if value is None or value in ((), {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _metrics() -> str:
    registry = CollectorRegistry()
    metrics = [*vars(Metrics(registry)).values(), *vars(EvidenceMetrics(registry)).values()]
    rows = [_metric(metric) for metric in metrics if isinstance(metric, MetricWrapperBase)]
    rows += [(f"`{of.name}`", "counter", _listed(of.labels), of.meaning) for of in FAMILIES]
    return _table(("metric", "type", "labels", "meaning"), rows)


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


def _metric(metric: MetricWrapperBase) -> tuple[str, ...]:
    family = next(iter(metric.describe()))
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = metric._labelnames  # the library has no public access to them
    return f"`{name}`", family.type, _listed(labels), family.documentation


def _errors() -> str:
    rows = [
        (rule.status, rule.type, rule.code, _first_sentence(error)) for error, rule in TABLE.items()
    ]
    unexpected = error_response(RuntimeError(), "")
    kind = unexpected.body.error.type
    rows.append(
        (unexpected.status, kind, unexpected.code, "Anything else: a fault of the gateway itself.")
    )
    known = {(status, code) for status, _, code, _ in rows}
    rows += [
        (status, answer.type, answer.code, f"{answer.message} Said by the door.")
        for status, answer in ANSWERS.items()
        if (status, answer.code) not in known
    ]
    return _table(
        ("status", "`type`", "`code`", "when"),
        (
            (str(status), f"`{kind}`", f"`{code}`", text)
            for status, kind, code, text in sorted(rows)
        ),
    )


def _first_sentence(cls: type) -> str:
    text = " ".join((getdoc(cls) or "").split())
    return text.split("; ", 1)[0].rstrip(".") + "."


def _reasons() -> str:
    return _table(("reason", "why this model"), ((f"`{x}`", _REASONS[x]) for x in Reason))


def _parameters(request: type, unsupported: dict[str, tuple[Any, ...]]) -> str:
    _, schemas = msgspec.json.schema_components((request,))
    served = schemas[request.__name__]
    rows = (
        (f"`{name}`", _json_kind(field), "required" if name in served["required"] else "")
        for name, field in served["properties"].items()
    )
    refused = [
        (f"`{name}`", ", ".join(f"`{msgspec.json.encode(value).decode()}`" for value in harmless))
        for name, harmless in sorted(unsupported.items())
    ]
    tables = [_table(("served", "value", ""), rows)]
    if refused:
        tables.append(_table(("refused", "accepted if it is `null` or"), refused))
    return "\n\n".join(tables)


def _json_kind(schema: dict[str, Any]) -> str:
    """The values that a JSON schema allows, in words; without null, which is always allowed."""
    if "anyOf" in schema:
        kinds = (_json_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "type" not in schema:
        return "object"
    kind = {"string": "text", "boolean": "`true` or `false`"}.get(schema["type"], schema["type"])
    if schema["type"] == "array":
        kind = f"list of {_json_kind(schema['items'])}"
    return ", ".join([kind, *_json_bounds(schema)])


def _json_bounds(schema: dict[str, Any]) -> Iterator[str]:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    for key, sign in signs.items():
        if (
            abs(schema.get(key, 2**31)) < 2**31 - 1
        ):  # limits of machine integers are not informative
            yield f"{sign} {schema[key]}"
    if schema.get("minLength") or schema.get("minItems"):
        yield "not empty"
    if "maxItems" in schema:
        yield f"at most {schema['maxItems']}"
    if "maxLength" in schema:
        yield f"at most {schema['maxLength']} characters"


def _commands() -> Iterator[str]:
    """A section for each command, including those in groups."""
    for name, purpose in COMMANDS.items():
        yield from _command(_parsers(parser_of([name]))[name][0], purpose)


def _parsers(parser: argparse.ArgumentParser) -> dict[str, tuple[argparse.ArgumentParser, str]]:
    """The parsers of the subcommands, each with its help, by name."""
    parsers = {}
    for action in parser._actions:  # the library has no public access to them
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            parsers = {name: (one, helps.get(name, "")) for name, one in action.choices.items()}
    return parsers


def _command(command: argparse.ArgumentParser, summary: str) -> Iterator[str]:
    inner = _parsers(command)
    if inner:
        for one, purpose in inner.values():
            yield from _command(one, purpose)
        return
    rows = [_argument(x) for x in command._actions if not isinstance(x, argparse._HelpAction)]
    sentence = f"{summary[:1].upper()}{summary[1:].rstrip('?')}{'?' if '?' in summary else '.'}"
    yield f"## `{command.prog}`\n\n{sentence}"
    if rows:
        yield _table(("argument", "meaning"), rows)


def _argument(action: argparse.Action) -> tuple[str, str]:
    metavar = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
    shown = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    value = "" if action.nargs == 0 else f" {shown}"
    name = ", ".join(action.option_strings) + value if action.option_strings else shown
    text = (action.help or "") % vars(action)
    return f"`{name}`".replace("|", "\\|"), text.replace("|", "\\|")


def _page(title: str, introduction: str, *parts: str) -> str:
    made = "<!-- Made by `make docs` from the code; edits are lost. -->"
    return "\n\n".join((f"# {title}", made, introduction, *parts)) + "\n"


def _configuration() -> str:
    return _page(
        "Keys of niche.yaml",
        "How the file is used: [configuration](../configuration.md).",
        "## The file",
        _settings(NicheConfig),
        "## A model: `generalist`, and each of `specialists`, `embeddings` and `rerankers`",
        _settings(ModelSpec),
    )


def _engines() -> str:
    parts = (
        part
        for name, options in ENGINE_OPTIONS.items()
        for part in (f"## `{name}`", _settings(options))
    )
    return _page(
        "Engine options",
        "The keys of a model's `engine_options`, by `engine`. What each engine is for: "
        "[configuration](../configuration.md#engines). `vllm` also takes any argument of "
        "`vllm serve`, with underscores.",
        *parts,
    )


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": _configuration,
    "engines.md": _engines,
    "metrics.md": lambda: _page(
        "Metrics", "How to read and use them: [metrics](../metrics.md).", _metrics()
    ),
    "errors.md": lambda: _page(
        "Errors", "The body of an error, and retries: [the API](../api.md#errors).", _errors()
    ),
    "reasons.md": lambda: _page(
        "Reasons",
        "Why a model answered: the header `x-niche-reason`, the key `niche.reason`, and a label of "
        "metrics. How the router decides: [routing](../routing.md).",
        _reasons(),
    ),
    "parameters.md": lambda: _page(
        "Parameters of requests",
        "Their meaning is that of the OpenAI API; see also [the API](../api.md#parameters). A name "
        "that is in none of these tables is refused too.",
        "## `POST /v1/chat/completions`",
        _parameters(ChatRequest, CHAT_UNSUPPORTED),
        "## `POST /v1/completions`",
        _parameters(TextRequest, TEXT_UNSUPPORTED),
        "## `POST /v1/embeddings`",
        _parameters(EmbeddingRequest, {}),
        "## `POST /v1/rerank`",
        _parameters(RerankRequest, {}),
    ),
    "cli.md": lambda: _page(
        "The command `niche`",
        "Every command and its arguments; `niche COMMAND --help` shows the same. It is in "
        "`.venv/bin` after `make install`; `. .venv/bin/activate` puts it on the path.",
        *_commands(),
    ),
}
"""The pages by their file names."""


def main() -> None:
    """Writes all pages below the working directory."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
