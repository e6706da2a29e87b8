"""Schemas whose answers come to an end.

A small model goes on for ever where a schema lets it: it repeats an item of a list, digs deeper
into a tree, writes digits without end. Its answer is then cut, and is no JSON. Here a schema is
given bounds such that its longest answers about fit a number of tokens: every answer that follows
the bounded schema follows the schema itself, and some that the schema allows are no longer
possible. What is open shares the room: texts get a greatest length, lists and maps a greatest
number of entries, a recursion a depth, numbers nine places.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from deployments.tagged_calls import may_call_again

_CHARACTERS_PER_TOKEN = (0.9, 2.5)
"""Digits are a token each, and small models like to repeat them; where a schema needs more room
than that, a token is taken to be as long as in most texts."""
_MOST_TOKENS = 4096
_MOST_CALLS, _TOKENS_OF_A_CALL = 3, 160
"""An answer that has room for several shares it among them."""
_TOKENS_BESIDE_ARGUMENTS = 25
_MOST_PARTS, _DEEPEST = 4000, 16
"""Parts of a bounded schema, and references in references: llguidance reads 128 levels of JSON."""
_MOST_LOOKS = 50_000
"""At parts of a schema: some tens of milliseconds, in which nobody else is answered."""
_COMFORT, _COMFORT_OF_ANYTHING = 24, 64
"""What an entry gets on top of twice its shortest form, before there are more entries."""
_KEY, _SHORTEST_TEXT, _SHORTEST_PATTERN = 24, 8, 64
_NUMBER, _LARGEST, _STEP = 20, 10**9, 1e-9
_ROUNDS = 32

_SAYS_NOTHING = frozenset(
    {"$comment", "$defs", "$schema", "default", "definitions", "deprecated", "description"}
) | {"examples", "readOnly", "title", "writeOnly"}
_LENGTHS_OF_KINDS = {"null": 4, "boolean": 5, "integer": _NUMBER, "number": _NUMBER}
_COMBINING = frozenset({"$ref", "allOf", "anyOf", "const", "enum", "if", "not", "oneOf"})
_KINDS = ("string", "number", "boolean", "null", "array", "object")


class _TooLarge(Exception):
    """The schema, or the bounded one, has too many parts."""


_UNREADABLE = (_TooLarge, RecursionError, LookupError, TypeError, ValueError, AttributeError)
"""What a schema raises that is none, or is too large to be followed."""


def bounded_fields(fields: Mapping[str, Any], max_tokens: int | None) -> dict[str, Any]:
    """A chat's fields with bounds in the schemas of its `response_format` and its tools.

    Args:
        fields: OpenAI's; what is malformed stays as it is.
        max_tokens: the longest answer; None: there is no limit.
    """
    bounded_ones = dict(fields)
    match fields.get("response_format"):
        case {"type": "json_object"}:
            schema = bounded({"type": "object"}, max_tokens)
            form = {"type": "json_schema", "json_schema": {"name": "object", "schema": schema}}
            bounded_ones["response_format"] = form
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)} as named} as form:
            named = named | {"schema": bounded(schema, max_tokens)}
            bounded_ones["response_format"] = form | {"json_schema": named}
    if isinstance(tools := fields.get("tools"), list):
        each = _room_of_a_call(most_calls(fields, max_tokens), max_tokens)
        bounded_ones["tools"] = [_bounded_tool(tool, each, max_tokens) for tool in tools]
    return bounded_ones


def most_calls(fields: Mapping[str, Any], max_tokens: int | None) -> int:
    """The calls for which an answer to a chat has room: a single one, where one alone may need more
    than its share.

    Args:
        fields: OpenAI's.
        max_tokens: the longest answer; None: there is no limit.
    """
    tools = fields.get("tools")
    most = min(_MOST_CALLS, (max_tokens or _MOST_TOKENS) // _TOKENS_OF_A_CALL)
    if most <= 1 or not isinstance(tools, list) or not may_call_again(fields):
        return 1
    room = _CHARACTERS_PER_TOKEN[0] * _room_of_a_call(most, max_tokens)
    return most if all(_least_of_a_call(tool) <= room for tool in tools) else 1


def _room_of_a_call(calls: int, max_tokens: int | None) -> int:
    return max(1, (max_tokens or _MOST_TOKENS) // calls - _TOKENS_BESIDE_ARGUMENTS)


def _least_of_a_call(tool: Any) -> float:
    """About the characters of the shortest arguments, where they can be known."""
    match tool:
        case {"function": {"parameters": dict(schema)}}:
            with suppress(*_UNREADABLE):
                return _Bounds(schema).least({"type": "object"} | schema)
    return 0


def _bounded_tool(tool: Any, *tokens: int | None) -> Any:
    """With the first of these bounds for which there is room; else itself."""
    match tool:
        case {"function": {"parameters": dict(schema)} as function}:
            parameters = {"type": "object"} | schema
            for most in tokens:
                if (found := bounded(parameters, most)) != parameters:
                    return tool | {"function": function | {"parameters": found}}
    return tool


def bounded(schema: dict[str, Any], max_tokens: int | None) -> dict[str, Any]:
    """The schema with bounds; itself, if even its shortest answer has no room, or it has parts that
    cannot be followed.

    Args:
        schema: a JSON schema.
        max_tokens: the longest answer; None: there is no limit.
    """
    tokens = min(max_tokens or _MOST_TOKENS, _MOST_TOKENS)
    try:
        bounds = _Bounds(schema)
        least = bounds.least(schema)
        rooms = [each * tokens for each in _CHARACTERS_PER_TOKEN if each * tokens >= least]
        if not rooms:
            return schema
        found: dict[str, Any] = bounds.fit(schema, rooms[0])
    except _UNREADABLE:
        return schema  # what is none is told by who reads the schema itself
    return {
        key: schema[key] for key in ("$schema", "$defs", "definitions") if key in schema
    } | found


class _Bounds:
    """Finds the bounds of one schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._parts = self._depth = self._looks = 0
        self._fitting: dict[str, Callable[[dict[str, Any], float], dict[str, Any]]] = {
            "string": _text,
            "number": _number,
            "array": self._array,
            "object": self._object,
        }
        self._combined: dict[str, Callable[[dict[str, Any], float], Any]] = {
            "$ref": self._referred,
            "allOf": self._all_of,
            "anyOf": lambda of, room: of | {"anyOf": self._fitting_parts(of["anyOf"], room)},
            "oneOf": lambda of, room: of | {"oneOf": self._fitting_parts(of["oneOf"], room)},
        }
        self._least = dict.fromkeys(_references(root), math.inf)
        for _ in range(_ROUNDS):  # until the shortest values of what is referred to are known
            found = {ref: self.least(self._target(ref)) for ref in self._least}
            if found == self._least:
                return
            self._least = found
        raise _TooLarge

    def least(self, schema: Any) -> float:
        """About the characters of the shortest value; infinite, if there is none."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            raise _TooLarge
        if not isinstance(schema, dict):
            return math.inf if schema is False else 1
        if "$ref" in schema:
            return self._least[schema["$ref"]]
        if "const" in schema or "enum" in schema:
            return min(map(_length, schema.get("enum", [schema.get("const")])))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return min(map(self.least, schema[key]))
        if "allOf" in schema:
            return sum(map(self.least, schema["allOf"]))
        return min((self._least_of_kind(schema, kind) for kind in _kinds(schema)), default=1)

    def _least_of_kind(self, schema: Mapping[str, Any], kind: str) -> float:
        if kind == "string":
            return 2 + (_COMFORT if "format" in schema else schema.get("minLength", 0))
        if kind == "array":
            return 2 + self._least_of_items(schema, schema.get("minItems", 0))
        if kind == "object":
            required = {key: _property(schema, key) for key in schema.get("required", ())}
            return 2 + sum(_overhead(key) + self.least(of) for key, of in required.items())
        return 4 if kind in ("boolean", "null") else 1

    def _least_of_items(self, schema: Mapping[str, Any], count: int) -> float:
        """Of so many, which a client may make any number."""
        first = list(schema.get("prefixItems", ()))[:count]
        least = sum(2 + self.least(item) for item in first)
        more = count - len(first)
        return least + more * (2 + self.least(schema.get("items", True))) if more > 0 else least

    def fit(self, schema: Any, room: float) -> Any:
        """The schema of its values that need about `room` characters at most."""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _TooLarge
        if schema is False:
            return schema
        schema = {} if schema is True else schema
        says = schema.keys() - _SAYS_NOTHING
        if len(says) == 1 and (combined := self._combined.get(*says)):
            return combined(schema, room)
        if says & _COMBINING:
            return schema
        if not (kinds := _kinds(schema)):
            return schema | {"anyOf": self._fitting_parts([{"type": of} for of in _KINDS], room)}
        for kind in self._fitting.keys() & set(kinds):
            schema = schema | self._fitting[kind](schema, room)
        return schema

    def _referred(self, schema: dict[str, Any], room: float) -> Any:
        self._depth += 1
        deep = self._depth > _DEEPEST
        found = self.fit(self._target(schema["$ref"]), self.least(schema) if deep else room)
        self._depth -= 1
        return found

    def _all_of(self, schema: dict[str, Any], room: float) -> Any:
        merged = self._merged(schema["allOf"])
        return self.fit(merged, room) if merged else schema

    def _fitting_parts(self, parts: Sequence[Any], room: float) -> list[Any]:
        """Those alternatives for which there is room."""
        anything = {"array", "object"} if room < 2 * _COMFORT_OF_ANYTHING else set()
        fitting = [part for part in parts if self.least(part) <= room]
        fitting = [part for part in fitting if not (_is_open(part) and part["type"] in anything)]
        return [self.fit(part, room) for part in fitting or [min(parts, key=self.least)]]

    def _array(self, schema: dict[str, Any], room: float) -> dict[str, Any]:
        if isinstance(schema.get("items"), list):  # a tuple of draft 7
            return {}
        first, rest = schema.get("prefixItems", ()), schema.get("items", True)
        needed = max(schema.get("minItems", 0), len(first) if rest is False else 0)
        room -= 2 + sum(2 + self.least(item) for item in first)
        many = len(first) + max(0, math.floor(room / self._comfort(rest)))
        most = max(needed, min(many, schema.get("maxItems", many)))
        shares = _shares(room, [math.inf] * most)
        fitted: dict[str, Any] = {"maxItems": most}
        if first:
            shared = zip(first, shares, strict=False)
            fitted["prefixItems"] = [self.fit(of, self.least(of) + share) for of, share in shared]
        if rest is not False and most > len(first):
            fitted["items"] = self.fit(rest, max(self.least(rest), shares[-1] - 2))
        return fitted

    def _object(self, schema: dict[str, Any], room: float) -> dict[str, Any]:
        if "patternProperties" in schema or "propertyNames" in schema:
            return {}
        required = schema.get("required", ())
        if not required and not schema.get("properties"):
            return self._map(schema, room)
        room -= self.least(schema)
        kept = list(required)
        for key in schema.get("properties", {}):
            needed = _overhead(key) + self.least(_property(schema, key))
            if key not in required and needed <= room:
                kept.append(key)
                room -= needed
        parts = {key: _property(schema, key) for key in (*schema.get("properties", ()), *required)}
        parts = {key: of for key, of in parts.items() if key in kept}
        shares = _shares(room, [self._most(of) - self.least(of) for of in parts.values()])
        fitted = {
            key: self.fit(of, self.least(of) + share)
            for (key, of), share in zip(parts.items(), shares, strict=True)
        }
        return {"properties": fitted, "additionalProperties": False}

    def _map(self, schema: dict[str, Any], room: float) -> dict[str, Any]:
        each = schema.get("additionalProperties", True)
        if each is False:
            return {}
        entry = _KEY + 4
        many = max(0, math.floor((room - 2) / (entry + self._comfort(each))))
        most = max(schema.get("minProperties", 0), min(many, schema.get("maxProperties", many)))
        share = (room - 2) / max(1, most) - entry
        return {
            "patternProperties": {f"^.{{0,{_KEY}}}$": self.fit(each, max(self.least(each), share))},
            "additionalProperties": False,
            "maxProperties": most,
        }

    def _comfort(self, schema: Any) -> float:
        """The characters with which an entry of a list is not cramped."""
        more = _COMFORT_OF_ANYTHING if schema is True or schema == {} else _COMFORT
        return 2 * self.least(schema) + more

    def _most(self, schema: Any) -> float:
        """The characters of the longest value, where that is plain; else infinite."""
        if not isinstance(schema, dict):
            return math.inf
        if "const" in schema or "enum" in schema:
            return max(map(_length, schema.get("enum", [schema.get("const")])))
        lengths = _LENGTHS_OF_KINDS | {"string": 2 + schema.get("maxLength", math.inf)}
        return max((lengths.get(kind, math.inf) for kind in _kinds(schema)), default=math.inf)

    def _merged(self, parts: Sequence[Any]) -> dict[str, Any] | None:
        """Objects that have to hold together, as one; None: they are no plain objects."""
        merged: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
        for named in parts:
            part = self._target(named["$ref"]) if named.keys() == {"$ref"} else named
            if part.keys() - _SAYS_NOTHING - {"type", "properties", "required"}:
                return None
            properties = part.get("properties", {})
            if part.get("type", "object") != "object" or properties.keys() & merged["properties"]:
                return None
            merged["properties"] |= properties
            merged["required"] += part.get("required", [])
        return merged

    def _target(self, ref: str) -> Any:
        """What a reference within the schema names.

        Raises:
            LookupError: nothing.
        """
        path = ref.removeprefix("#")
        if path == ref:
            raise LookupError(ref)
        found: Any = self._root
        for step in path.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
        return found


def _references(schema: Any) -> Iterator[str]:
    inner = schema.values() if isinstance(schema, dict) else schema
    for part in inner if isinstance(schema, dict | list) else ():
        yield from _references(part)
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"]


def _text(schema: Mapping[str, Any], room: float) -> dict[str, Any]:
    shortest = _SHORTEST_PATTERN if {"format", "pattern"} & schema.keys() else _SHORTEST_TEXT
    longest = max(shortest, schema.get("minLength", 0), math.floor(room - 2))
    return {"maxLength": min(longest, schema.get("maxLength", longest))}


def _number(schema: Mapping[str, Any], _room: float) -> dict[str, Any]:
    bounds: dict[str, Any] = {} if "multipleOf" in schema else {"multipleOf": _STEP}
    if not {"minimum", "exclusiveMinimum"} & schema.keys():
        bounds["minimum"] = min(-_LARGEST, schema.get("maximum", 0) - _LARGEST)
    if not {"maximum", "exclusiveMaximum"} & schema.keys():
        bounds["maximum"] = max(_LARGEST, schema.get("minimum", 0) + _LARGEST)
    return bounds


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    """The types that a schema names or means; none: any."""
    kinds = schema.get("type")
    if kinds is None and schema.keys() & {"properties", "required", "patternProperties"}:
        return ["object"]
    if kinds is None and schema.keys() & {"items", "prefixItems"}:
        return ["array"]
    if kinds is None:
        return []
    return list(kinds) if isinstance(kinds, list) else [kinds]


def _is_open(part: Any) -> bool:
    """Whether it is a list or a map of anything."""
    return isinstance(part, dict) and part.keys() == {"type"}


def _property(schema: Mapping[str, Any], key: str) -> Any:
    rest = schema.get("additionalProperties", True)
    return schema.get("properties", {}).get(key, rest)


def _overhead(key: str) -> int:
    return len(json.dumps(key, ensure_ascii=False)) + len(": , ")


def _length(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _shares(room: float, wanted: Iterable[float]) -> list[float]:
    """Divides what there is evenly; who wants less than such a part leaves the rest to others."""
    wants = list(wanted)
    shares = [0.0] * len(wants)
    for left, place in enumerate(sorted(range(len(wants)), key=wants.__getitem__)):
        shares[place] = max(0.0, min(wants[place], room / (len(wants) - left)))
        room -= shares[place]
    return shares
