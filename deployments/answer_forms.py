"""The form that a request gives an answer, as a grammar of llguidance.

Engines whose models know no schemas hold their answers to it. llama.cpp's own converter ignores
what it does not know of a schema, so there schemas become such a grammar too. Its copy of
llguidance is an older one, and where that cannot use a grammar it answers without any; so each
answer is read along by the llguidance of this process, and one that leaves its form never ends as
if it were whole.

Small models go on for ever where a form lets them. So white space is what `json.dumps` writes and
nothing else, an integer without bounds has at most 18 digits, and a text without one has no more
characters than fit three quarters of the answer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from deployments.protocol import InvalidPrompt, Unavailable

ANY_TEXT = r"/(.|\n)*/"
"""The rule of an answer that has no form."""
_GUIDANCE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_FORMATS = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"}
)
"""Those that both copies of llguidance know. Of any other, a schema only tells what is meant."""
_URI = r"^[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~]+$"

_LARGEST = 10**18 - 1
_CHARACTERS_PER_TOKEN, _SHORTEST = 3, 40
_BOUNDS_OF_INTEGERS = frozenset(
    {"const", "enum", "exclusiveMaximum", "exclusiveMinimum", "maximum"}
)
_BOUNDS_OF_INTEGERS |= {"minimum", "multipleOf"}
_BOUNDS_OF_TEXTS = frozenset({"const", "enum", "format", "maxLength", "minLength", "pattern"})

_SCHEMA = frozenset({"additionalItems", "additionalProperties", "contains", "else", "if", "items"})
_SCHEMA |= {"not", "propertyNames", "then"}
_SCHEMAS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_NAMED = frozenset({"$defs", "definitions", "patternProperties", "properties"})


@dataclass(frozen=True, slots=True)
class Form:
    """What an answer follows.

    Attributes:
        rule: llguidance's, and the rules that it needs.
        parameter: the one that asks for it.
        calls: whether such an answer may hold calls of functions.
        text: whether it may begin with any text.
    """

    rule: str
    parameter: str
    calls: bool = False
    text: bool = False


def rule_of(response_format: Mapping[str, Any], max_tokens: int | None = None) -> str | None:
    """The rule of the answers that a `response_format` allows; None: all.

    Args:
        response_format: OpenAI's.
        max_tokens: the longest answer, if that is known.

    Raises:
        InvalidPrompt: it is none.
    """
    match response_format:
        case {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return json_rule({"type": "object"}, max_tokens)
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return json_rule(schema, max_tokens)
    raise InvalidPrompt("response_format", "it is `text`, `json_object`, or a `json_schema`")


def json_rule(schema: Mapping[str, Any], max_tokens: int | None = None) -> str:
    """What stands in a rule for JSON that follows a schema; `max_tokens` as above."""
    longest = None if max_tokens is None else max(_SHORTEST, _CHARACTERS_PER_TOKEN * max_tokens)
    return f"%json {json.dumps(_known(schema, longest) | {'x-guidance': _GUIDANCE})}"


def grammar_of(rule: str, end_token: int | None = None) -> str:
    """The grammar as llama.cpp takes it; `end_token` as for cards (`answer_grammar`)."""
    end = "" if end_token is None else f" <[{end_token}]>?"
    return f"%llguidance {{}}\nstart: answer{end}\nanswer: {rule}\n"


def matcher_of(form: Form) -> Any:
    """An `LLMatcher`, whose tokens are bytes, at the beginning of an answer.

    Raises:
        InvalidPrompt: llguidance cannot use the form.
    """
    if fault := _fault(form.rule):
        raise _cannot_hold(form, fault)
    return _matcher(form.rule).deep_copy()


def can_hold(form: Form) -> bool:
    """Whether llguidance can use it."""
    return not _fault(form.rule)


class FormCheck:
    """Reads one answer along.

    Args:
        form: what it should follow.
        model: the one that answers.

    Raises:
        InvalidPrompt: llguidance cannot use the form.
    """

    def __init__(self, form: Form, model: str) -> None:
        self._matcher, self._form, self._model = matcher_of(form), form, model
        self._begun = False

    def read(self, text: str, *, ends: bool) -> None:
        """Takes a piece of the answer; `ends`: whether the model ended it there.

        Raises:
            InvalidPrompt: the very beginning is none that the form allows.
            Unavailable: the answer left its form later on.
        """
        kept = self._matcher.consume_tokens([*text.encode()])
        if not kept or (ends and not self._matcher.is_accepting()):
            if not self._begun:
                raise _cannot_hold(self._form, "the engine has an older llguidance")
            raise Unavailable(self._model, f"its answer left the form of {self._form.parameter}")
        self._begun = self._begun or bool(text)


def _cannot_hold(form: Form, why: str) -> InvalidPrompt:
    return InvalidPrompt(form.parameter, f"no answer can be held to it: {why}")


@lru_cache(maxsize=64)
def _fault(rule: str) -> str:
    """Why no answer can follow a rule; empty: some can."""
    matcher = _matcher(rule)
    if fault := matcher.get_error().partition("\n")[0]:
        return str(fault)
    bytes_first = matcher.deep_copy().compute_logit_bias()[:256]  # it ends a matcher that has none
    return "" if matcher.is_accepting() or any(bytes_first) else "nothing is valid against it"


@lru_cache(maxsize=64)
def _matcher(rule: str) -> Any:
    from llguidance import LLMatcher, LLTokenizer  # noqa: PLC0415 - 8 MB, for those who ask for it

    grammar = LLMatcher.grammar_from_lark(grammar_of(rule))
    return LLMatcher(LLTokenizer("byte"), grammar, log_level=0)


def _known(schema: Any, longest: int | None) -> Any:
    """A schema that allows the same, in words that both copies of llguidance know, and no text
    beyond so many characters."""
    if not isinstance(schema, dict):
        return schema
    known: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            known[key] = {name: _known(inner, longest) for name, inner in value.items()}
        elif key in _SCHEMAS and isinstance(value, list):
            known[key] = [_known(inner, longest) for inner in value]
        else:
            known[key] = _known(value, longest) if key in _SCHEMA else value
    return _with_known_names(_with_known_format(_with_bounds(known, longest)))


def _with_bounds(schema: dict[str, Any], longest: int | None) -> dict[str, Any]:
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "integer" in kinds and not _BOUNDS_OF_INTEGERS & schema.keys():
        schema = schema | {"minimum": -_LARGEST, "maximum": _LARGEST}
    if "string" in kinds and longest is not None and not _BOUNDS_OF_TEXTS & schema.keys():
        schema = schema | {"maxLength": longest}
    return schema


def _with_known_format(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key != "format"}
    if schema.get("format") == "uri":
        return {"pattern": _URI} | kept
    return schema if schema.get("format") in _FORMATS else kept


def _with_known_names(schema: dict[str, Any]) -> dict[str, Any]:
    """A map whose keys are of a set, as optional properties."""
    match schema:
        case {"properties": _}:
            return schema
        case {"propertyNames": {"enum": list(names)}}:
            rest = {key: value for key, value in schema.items() if key != "propertyNames"}
            each = schema.get("additionalProperties", True)
            return rest | {"properties": dict.fromkeys(names, each), "additionalProperties": False}
    return schema
