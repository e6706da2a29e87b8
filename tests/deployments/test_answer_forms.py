"""The form of an answer: which schemas there are, what is kept of them, and who notices."""

import json
from pathlib import Path
from typing import Any

import pytest

from deployments.answer_forms import ANY_TEXT, Form, FormCheck, json_rule, matcher_of, rule_of
from deployments.engines._fake_text import text_of
from deployments.protocol import InvalidPrompt, Unavailable
from tests.deployments.engines.measured_schemas import is_valid, number

SCHEMAS = (Path(__file__).parent / "engines" / "schemas.json").read_text(encoding="utf-8")
REFUSED = {"if and then", "oneOf that overlaps", "unique items"}
GOOD = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def form(schema: Any) -> Form:
    return Form(json_rule(schema), "response_format")


def allows(schema: Any, answer: str) -> bool:
    matcher = matcher_of(form(schema))
    return bool(matcher.consume_tokens([*answer.encode()]) and matcher.is_accepting())


@pytest.mark.parametrize("name", json.loads(SCHEMAS))
def test_what_a_form_allows_follows_its_schema(name: str) -> None:
    """Of fifty schemas, three are refused by name, and no answer of the others is wrong."""
    schema = json.loads(SCHEMAS)[name]
    if name in REFUSED:
        with pytest.raises(InvalidPrompt) as refused:
            matcher_of(form(schema))
        assert refused.value.parameter == "response_format"
        return
    exact = json.loads(SCHEMAS, parse_float=number)[name]
    answers = {text_of(form(schema), f"words {seed}") for seed in range(5)}

    assert [answer for answer in answers if not is_valid(exact, answer)] == []


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"$ref": "#"}, id="itself"),
        pytest.param({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, id="a loop"),
    ],
)
def test_a_schema_that_nothing_is_valid_against_is_refused(schema: Any) -> None:
    """No model could begin an answer: that is the request's fault, and not the engine's."""
    with pytest.raises(InvalidPrompt) as refused:
        matcher_of(form(schema))

    assert refused.value.parameter == "response_format"


def test_a_part_that_nothing_is_valid_against_has_no_answer() -> None:
    """The fake engine says so, once it is there."""
    never = {"a": {"$ref": "#/$defs/a"}}
    inner = form({"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1, "$defs": never})

    with pytest.raises(InvalidPrompt):
        text_of(inner, "words")


def test_white_space_is_what_json_dumps_writes() -> None:
    """Else a small model goes on with it."""
    schema = GOOD | {"x-guidance": {"whitespace_flexible": True}}

    assert allows(schema, json.dumps({"a": 1}))
    assert not allows(schema, '{"a":1}')
    assert not allows(schema, '{"a": \n1}')


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        pytest.param(
            {"propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "integer"}},
            '{"a": 1}',
            '{"c": 1}',
            id="names of a set",
        ),
        pytest.param({"type": "string", "format": "uri"}, '"a:b"', '"a b"', id="a URI"),
        pytest.param({"type": "string", "format": "colour"}, '"red"', "1", id="another format"),
        pytest.param(
            {"properties": {"format": {"type": "integer"}}, "required": ["format"]},
            '{"format": 1}',
            '{"format": "uri"}',
            id="a property of that name",
        ),
        pytest.param({"enum": [{"format": "x"}]}, '{"format": "x"}', "{}", id="a value like one"),
    ],
)
def test_what_engines_do_not_know_of_a_schema_is_said_in_other_words(
    schema: Any, right: str, wrong: str
) -> None:
    """Or is left out, where it only tells what is meant."""
    schema = {"type": "object"} | schema if "properties" in schema else schema

    assert allows(schema, right)
    assert not allows(schema, wrong)


@pytest.mark.parametrize(
    ("response_format", "has_form"),
    [
        pytest.param({"type": "text"}, False, id="text"),
        pytest.param({"type": "json_object"}, True, id="JSON"),
        pytest.param({"type": "json_schema", "json_schema": {"schema": GOOD}}, True, id="schema"),
    ],
)
def test_a_response_format_has_a_rule_or_none(response_format: Any, has_form: bool) -> None:
    """By its type."""
    assert (rule_of(response_format) is not None) == has_form


@pytest.mark.parametrize(
    "response_format",
    [{"type": "rhyme"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {}}, {}],
    ids=["another type", "no object", "no schema", "nothing"],
)
def test_what_is_no_response_format_is_refused(response_format: Any) -> None:
    """By its name."""
    with pytest.raises(InvalidPrompt) as refused:
        rule_of(response_format)

    assert refused.value.parameter == "response_format"


def test_an_answer_may_end_where_its_form_allows_it() -> None:
    """However it is cut; and one that is cut off is not looked at."""
    check = FormCheck(form(GOOD), "tiny")
    for letter in '{"a": 1}':
        check.read(letter, ends=False)
    check.read("", ends=True)
    FormCheck(form(GOOD), "tiny").read('{"a', ends=False)


@pytest.mark.parametrize(
    ("pieces", "ends"),
    [
        pytest.param(["{", '"b"'], False, id="another name"),
        pytest.param(["{", '"a": 1'], True, id="an early end"),
    ],
)
def test_an_answer_that_leaves_its_form_is_none(pieces: list[str], ends: bool) -> None:
    """Another model may answer."""
    check = FormCheck(form(GOOD), "tiny")
    check.read(pieces[0], ends=False)
    with pytest.raises(Unavailable) as left:
        check.read(pieces[1], ends=ends)

    assert left.value.model == "tiny"


def test_an_engine_that_ignores_a_form_is_found_out_at_once() -> None:
    """So the form is what cannot be served."""
    with pytest.raises(InvalidPrompt) as refused:
        FormCheck(form(GOOD), "tiny").read("Sure!", ends=False)

    assert refused.value.parameter == "response_format"


def test_any_text_is_a_form() -> None:
    FormCheck(Form(ANY_TEXT, "tools"), "tiny").read("Sure!\n", ends=True)
