"""Schemas with bounds: every answer ends, and follows the schema as it was."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from deployments.answer_forms import Form, json_rule, matcher_of
from deployments.bounded_schemas import bounded, bounded_fields, most_calls
from tests.deployments.engines.measured_schemas import is_valid, number

SCHEMAS = (Path(__file__).parent / "engines" / "schemas.json").read_text(encoding="utf-8")
REFUSED = {"if and then", "oneOf that overlaps", "unique items"}
UNREACHED = {"many properties", "map by patterns", "tuple of draft 7"}
"""The first needs more room for what it requires alone."""
MAX_TOKENS = 512
TREE = {
    "type": "object",
    "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["children"],
}


def matcher(schema: Any) -> Any:
    return matcher_of(Form(json_rule(schema, MAX_TOKENS), "response_format"))


def allows(schema: Any, answer: Any) -> bool:
    reader = matcher(schema)
    text = json.dumps(answer, ensure_ascii=False).encode()
    return bool(reader.consume_tokens([*text]) and reader.is_accepting())


def endless_answer(schema: Any, seed: int) -> str:
    """What a model would write that ends only where it must; in ASCII where that is allowed."""
    reader, drawn, said = matcher(schema), Random(seed), bytearray()
    while len(said) < 4000:
        bias = reader.compute_logit_bias()
        allowed = [byte for byte in range(32, 256) if bias[byte]]
        if not allowed:
            break
        growing = [byte for byte in allowed if byte < 127 and byte not in b'"]}\\'] or allowed
        said.append(drawn.choice(growing))
        reader.consume_token(said[-1])
    return said.decode()


@pytest.mark.parametrize(
    "name", [name for name in json.loads(SCHEMAS) if name not in REFUSED | UNREACHED]
)
def test_an_answer_that_never_wants_to_end_ends_and_is_valid(name: str) -> None:
    """A token is a character here, as digits are."""
    schema = json.loads(SCHEMAS)[name]
    exact = json.loads(SCHEMAS, parse_float=number)[name]

    answers = [endless_answer(bounded(schema, MAX_TOKENS), seed) for seed in range(2)]

    assert [answer for answer in answers if len(answer) > MAX_TOKENS] == []
    assert [answer for answer in answers if not is_valid(exact, answer)] == []


@pytest.mark.parametrize(
    ("schema", "short", "long"),
    [
        pytest.param({"type": "string"}, "a text", "a" * 480, id="a text"),
        pytest.param({"type": "array", "items": {"type": "integer"}}, [1, 2], [7] * 200, id="list"),
        pytest.param({"type": "object"}, {"a": "b", "c": None}, {"a": "b" * 400}, id="anything"),
        pytest.param({}, "a text", [[[[[[1]]]]]] * 40, id="no type"),
        pytest.param({"type": "number"}, 2.125, 10**30, id="number"),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"a": "b"},
            {"a" * 60: "b"},
            id="key of a map",
        ),
        pytest.param(TREE, {"children": [{"children": []}]}, {"children": [TREE] * 9}, id="tree"),
        pytest.param(
            {"type": ["string", "null"], "format": "email"},
            "ada@example.org",
            f"{'a' * 470}@example.org",
            id="format",
        ),
        pytest.param(
            {"allOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["b"]}]},
            {"a": "x", "b": 1},
            {"a": "x", "b": 1, "c": 2},
            id="parts of an object",
        ),
    ],
)
def test_what_is_open_has_bounds(schema: Any, short: Any, long: Any) -> None:
    found = bounded(schema, MAX_TOKENS)

    assert allows(found, short)
    assert not allows(found, long)


def test_more_tokens_leave_more_room() -> None:
    lists = {"type": "array", "items": {"type": "string"}}
    most = [bounded(lists, tokens)["maxItems"] for tokens in (64, 512, None)]

    assert most == sorted(set(most))


@pytest.mark.parametrize("name", [name for name in json.loads(SCHEMAS) if "recursion" in name])
def test_llguidance_reads_a_deep_recursion(name: str) -> None:
    deep = bounded(json.loads(SCHEMAS)[name], None)

    assert not matcher(deep).get_error()


def test_the_schemas_own_bounds_stay() -> None:
    schema = {"type": "array", "minItems": 2, "maxItems": 3, "items": {"type": "boolean"}}

    assert bounded(schema, MAX_TOKENS) == schema


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "string", "minLength": 2000}, id="no room for the shortest answer"),
        pytest.param({"type": "array", "minItems": 10**12}, id="a list beyond all memory"),
        pytest.param(
            {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a/anyOf/0"}] * 300}
            | {"$defs": {"a": {"anyOf": [{"anyOf": [{"type": "null"}] * 9000}] * 9}}},
            id="more parts than can be looked at",
        ),
        pytest.param({"$ref": "#/nowhere"}, id="a reference to nothing"),
        pytest.param({"$ref": "#"}, id="a reference to itself"),
        pytest.param({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, id="alternatives without an end"),
        pytest.param({"type": "object", "properties": 3, "required": ["a"]}, id="none"),
        pytest.param(
            {"$ref": "#/$defs/0"}
            | {
                "$defs": {
                    str(level): {
                        "type": "object",
                        "required": ["a", "b"],
                        "properties": {key: {"$ref": f"#/$defs/{level + 1}"} for key in "ab"},
                    }
                    for level in range(40)
                }
                | {"40": {"type": "null"}}
            },
            id="twice as large at each level",
        ),
    ],
)
def test_a_schema_that_cannot_be_bounded_stays(schema: dict[str, Any]) -> None:
    assert bounded(schema, MAX_TOKENS) == schema


def test_a_recursion_that_only_goes_deeper_is_bounded_quickly() -> None:
    """Each level has two ways to go on, and one to end."""
    ways = [{"$ref": "#/$defs/way"}, {"$ref": "#/$defs/way"}, {"type": "null"}]
    schema = {"$ref": "#/$defs/way", "$defs": {"way": {"anyOf": ways}}}

    assert bounded(schema, MAX_TOKENS) == schema


def test_a_request_has_bounds_in_its_format_and_its_tools() -> None:
    text = {"type": "string"}
    fields = bounded_fields(
        {
            "messages": [],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": text},
            },
            "tools": [{"type": "function", "function": {"name": "f", "parameters": TREE}}],
        },
        MAX_TOKENS,
    )

    assert "maxLength" in fields["response_format"]["json_schema"]["schema"]
    assert fields["tools"][0]["function"]["name"] == "f"
    assert not allows(fields["tools"][0]["function"]["parameters"], {"children": [TREE] * 9})


def test_calls_share_the_room_of_an_answer() -> None:
    """Where one is wanted, it has all of it."""
    several = bounded_fields(asking("a"), MAX_TOKENS)
    single = bounded_fields(asking("a", parallel_tool_calls=False), MAX_TOKENS)

    room = [_longest(of["tools"][0]["function"]["parameters"]) for of in (several, single)]
    assert most_calls(asking("a"), MAX_TOKENS) == 3
    assert 3 * room[0] < room[1] < MAX_TOKENS


@pytest.mark.parametrize(("max_tokens", "calls"), [(None, 3), (400, 2), (256, 1), (20, 1)])
def test_an_answer_with_little_room_has_one_call(max_tokens: int | None, calls: int) -> None:
    """Several would have to cut the names in their arguments."""
    assert most_calls(asking("a"), max_tokens) == calls


def test_a_call_that_needs_more_than_its_share_is_the_only_one() -> None:
    """It would be cut by the next one."""
    long = asking(*(f"field number {number}" for number in range(12)))
    assert most_calls(long, MAX_TOKENS) == 1
    assert most_calls({"tools": asking("a")["tools"] + long["tools"]}, MAX_TOKENS) == 1
    closed = {"properties": long["tools"][0]["function"]["parameters"]["properties"]}
    for schema in closed["properties"].values():
        schema["maxLength"] = 8
    closed |= {"required": [*closed["properties"]], "additionalProperties": False}
    assert most_calls({"tools": [tool(closed)]}, MAX_TOKENS) == 1
    assert most_calls({"tools": [tool({"enum": ["a"]})]}, MAX_TOKENS) == 3


def asking(*names: str, **fields: Any) -> dict[str, Any]:
    """A chat with a function whose arguments are texts."""
    texts = {"properties": {name: {"type": "string"} for name in names}, "required": names}
    return {"tools": [tool(texts)]} | fields


def tool(parameters: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object"} | parameters},
    }


def _longest(parameters: Any) -> int:
    length: int = parameters["properties"]["a"]["maxLength"]
    return length


def test_any_object_has_bounds_too() -> None:
    fields = bounded_fields({"response_format": {"type": "json_object"}}, MAX_TOKENS)

    schema = fields["response_format"]["json_schema"]["schema"]
    assert allows(schema, {"name": "Ada", "age": 36})
    assert not allows(schema, {str(key): 0 for key in range(99)})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"response_format": {"type": "text"}, "tools": [{"type": "function"}]},
        {"response_format": {"type": "json_schema"}, "tools": None},
        {"response_format": 3, "tools": [3]},
    ],
)
def test_what_has_no_schema_stays(fields: dict[str, Any]) -> None:
    assert bounded_fields(fields, MAX_TOKENS) == fields
