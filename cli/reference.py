"""The README's tables, written from the code that they describe: `python -m cli.reference`.

A table stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->`. Rule: nothing outside of
such a block is touched, and a block without a table is an error.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from inspect import getdoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo

from deployments.engines._options import Options
from deployments.engines.fake import FakeOptions
from deployments.engines.openai import OpenAIOptions
from deployments.spec import ModelSpec, engine_names
from gateway.config import NicheConfig
from gateway.errors import TABLE, fault_of
from gateway.evidence.metrics import LiveMetrics
from gateway.metrics import Metrics
from router.types import Reason

_REASONS: dict[Reason, str] = {
    Reason.ROUTED: "the classifier is sure, the text is familiar: a specialist answers",
    Reason.GENERAL: "the likeliest domain is `general`, or has no specialist",
    Reason.LOW_CONFIDENCE: "the likeliest domain is a specialist's, and not likely enough",
    Reason.OUT_OF_SCOPE: "likely enough, and unlike anything the specialists were trained on",
    Reason.REQUESTED: "the request names its model",
    Reason.UNHEALTHY: "the first choice failed, or fails too often to be asked: the next answers",
    Reason.OVERLOADED: "the first choice has a full queue: the next answers",
    Reason.TOO_LONG: "the request does not fit the first choice's context: the next answers",
    Reason.NO_GUARANTEE: "no confidence is enough for the configured guarantee",
    Reason.UNPROVEN: "no specialist of the domain may have traffic: see their lifecycle",
    Reason.UNCLASSIFIED: "the classifier's deployment is down, or did not answer in time",
}
_BLOCK = re.compile(r"(<!-- begin: ([\w-]+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)
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


class UnknownTable(LookupError):
    """A block of the text has a name that no table has."""


def fill(text: str) -> str:
    """The text with every block written anew.

    Raises:
        UnknownTable: a block's name is none of `TABLES`.
    """

    def block(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        if name not in TABLES:
            raise UnknownTable(f"no table {name!r}; there are {', '.join(TABLES)}")
        return f"{begin}\n{TABLES[name]()}\n\n{end}"

    return _BLOCK.sub(block, text)


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _settings(model: type[BaseModel]) -> str:
    titles = ("key", "value", "default", "meaning")
    return _table(titles, _setting_rows(model, ""))


def _setting_rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        key, inner = f"{prefix}{name}", _section_in(field.annotation)
        if inner is None or inner is ModelSpec:  # a model has a table of its own
            yield f"`{key}`", _value(field), _default(field), field.description or ""
        else:
            yield f"`{key}`", "section", _default(field), field.description or ""
            yield from _setting_rows(inner, f"{key}.")


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation names, be it optional or in a tuple."""
    found = (annotation, *get_args(annotation))
    return next((a for a in found if isinstance(a, type) and issubclass(a, BaseModel)), None)


def _value(field: FieldInfo) -> str:
    """What may stand there: type, allowed values, bounds."""
    allowed = "`, `".join(engine_names()) if field is ModelSpec.model_fields["engine"] else ""
    kind = f"`{allowed}`" if allowed else _kind(field.annotation)
    return ", ".join([kind, *_bounds(field.metadata)])


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin is Annotated:
        return ", ".join([_kind(inner[0]), *_bounds(inner[1:])])
    if origin is tuple and inner[0] is str:
        return "list of text"
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
    found = [*vars(Metrics(registry)).values(), *vars(LiveMetrics(registry)).values()]
    rows = (_metric(metric) for metric in found if isinstance(metric, MetricWrapperBase))
    return _table(("metric", "type", "labels", "meaning"), rows)


def _metric(metric: MetricWrapperBase) -> tuple[str, ...]:
    family = next(iter(metric.describe()))
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = metric._labelnames  # the library tells them nowhere else
    return f"`{name}`", family.type, ", ".join(f"`{x}`" for x in labels), family.documentation


def _errors() -> str:
    rows = [
        (rule.status, rule.type, rule.code, _first_sentence(error)) for error, rule in TABLE.items()
    ]
    other = fault_of(RuntimeError(), "")
    kind = other.body.error.type
    rows.append((other.status, kind, other.code, "Anything else: a fault of the gateway itself."))
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


TABLES: dict[str, Callable[[], str]] = {
    "settings": lambda: _settings(NicheConfig),
    "model-settings": lambda: _settings(ModelSpec),
    "engine-transformers": lambda: _settings(Options),
    "engine-openai": lambda: _settings(OpenAIOptions),
    "engine-fake": lambda: _settings(FakeOptions),
    "metrics": _metrics,
    "errors": _errors,
    "reasons": _reasons,
}
"""The tables by the names of their blocks."""


def main() -> None:
    """Writes the README in the working directory anew."""
    path = Path("README.md")
    path.write_text(fill(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
