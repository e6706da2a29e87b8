"""Calls between tags: what a model may write, what it reads, and what is found in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.answer_forms import matcher_of
from deployments.protocol import InvalidPrompt
from deployments.tagged_calls import (
    CallReader,
    call_text,
    callable_tools,
    calling_of,
    form_of,
    prompted,
)


def tool(name: str = "f", **parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


F, G = tool(properties={"a": {"type": "integer"}}, required=["a"]), tool("g")
CALL_F, CALL_G = call_text("f", '{"a": 1}'), call_text("g", "{}")
SCHEMA = {"type": "json_schema", "json_schema": {"schema": {"type": "integer"}}}


def allows(answer: str, **fields: Any) -> bool:
    form = form_of(fields)
    assert form is not None
    matcher = matcher_of(form)
    return bool(matcher.consume_tokens([*answer.encode()]) and matcher.is_accepting())


@pytest.mark.parametrize(
    ("fields", "allowed", "refused"),
    [
        pytest.param({}, ["Sure.", CALL_F, f"Well: {CALL_G}"], [f"{CALL_F} Done."], id="it may"),
        pytest.param(
            {"tool_choice": "required"},
            [CALL_G, f"{CALL_F}\n{CALL_F}"],
            ["Sure.", "", call_text("f", '{"a": "1"}'), call_text("h", "{}")],
            id="it has to",
        ),
        pytest.param(
            {"tool_choice": {"type": "function", "function": {"name": "g"}}},
            [CALL_G],
            [CALL_F, f"{CALL_G}\n{CALL_G}"],
            id="a named one, once",
        ),
        pytest.param(
            {"tool_choice": "required", "parallel_tool_calls": False},
            [CALL_F],
            [f"{CALL_F}\n{CALL_G}"],
            id="once",
        ),
        pytest.param({"response_format": SCHEMA}, ["17", CALL_G], ["Sure."], id="or a schema"),
        pytest.param(
            {"response_format": SCHEMA, "tool_choice": "none"}, ["17"], [CALL_G], id="none"
        ),
    ],
)
def test_a_request_says_what_its_answer_may_call(
    fields: Any, allowed: list[str], refused: list[str]
) -> None:
    """And what it may say instead."""
    asked = {"tools": [F, G]} | fields

    assert [answer for answer in allowed if not allows(answer, **asked)] == []
    assert [answer for answer in refused if allows(answer, **asked)] == []


@pytest.mark.parametrize(
    ("parameters", "others"),
    [
        pytest.param({"properties": {"a": {}}}, False, id="names"),
        pytest.param({"type": "object", "properties": {}}, False, id="no names"),
        pytest.param({}, False, id="nothing"),
        pytest.param({"type": "object"}, True, id="any object"),
        pytest.param({"properties": {}, "additionalProperties": True}, True, id="others by name"),
        pytest.param({"properties": {}, "required": ["b"]}, True, id="a name that is required"),
        pytest.param({"allOf": [{"properties": {"b": {}}}]}, True, id="several schemas"),
    ],
)
def test_a_call_has_no_arguments_that_the_function_does_not_name(
    parameters: Any, others: bool
) -> None:
    """Unless its schema speaks of others."""
    assert allows(call_text("f", '{"b": 1}'), tools=[tool(**parameters)]) is others


@pytest.mark.parametrize(("calls", "fits"), [(1, True), (3, True), (4, False)])
def test_an_answer_may_have_a_greatest_number_of_calls(calls: int, fits: bool) -> None:
    form = form_of({"tools": [F, G]}, most_calls=3)
    assert form is not None
    matcher = matcher_of(form)

    kept = matcher.consume_tokens([*"\n".join([CALL_G] * calls).encode()])

    assert (bool(kept) and matcher.is_accepting()) == fits


def test_without_tools_or_a_schema_an_answer_has_no_form() -> None:
    assert form_of({}) is None
    assert form_of({"tools": [F], "tool_choice": "none"}) is None


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        pytest.param({"tools": [{"type": "web_search"}]}, "tools", id="no function"),
        pytest.param({"tools": ["f"]}, "tools", id="no object"),
        pytest.param(
            {"tools": [{"function": {"name": "f", "parameters": "x"}}]}, "tools", id="no schema"
        ),
        pytest.param({"tools": [F], "tool_choice": {}}, "tool_choice", id="no name"),
        pytest.param({"tools": [F], "tool_choice": "any"}, "tool_choice", id="an unknown choice"),
    ],
)
def test_what_cannot_be_called_is_refused(fields: Any, parameter: str) -> None:
    with pytest.raises(InvalidPrompt) as refused:
        callable_tools(fields)

    assert refused.value.parameter == parameter


@pytest.mark.parametrize("parameter", ["response_format", "tools"])
def test_a_schema_that_is_nested_too_deeply_is_refused(parameter: str) -> None:
    schema: Any = {}
    for _ in range(2000):
        schema = {"properties": {"a": schema}}
    fields = {
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        "tools": [tool(**schema)],
    }
    with pytest.raises(InvalidPrompt) as refused:
        form_of({parameter: fields[parameter]})

    assert refused.value.parameter == parameter


@pytest.mark.parametrize(
    ("template", "calling"),
    [
        pytest.param("{{ messages }}", "prompted", id="no functions"),
        pytest.param('{% if tools %}<tool_call>\n{"name": n, "arguments": a}', "tags", id="tags"),
        pytest.param("{% if tools %}[TOOL_CALLS]", "native", id="another form"),
        pytest.param(
            "{% if tools %}<tool_call><function=f>arguments", "native", id="another between tags"
        ),
    ],
)
def test_a_template_tells_how_its_model_calls(template: str, calling: str) -> None:
    assert calling_of(template) == calling


def test_a_template_without_functions_gets_them_as_text() -> None:
    """What a model reads has the form in which it is to write."""
    call = {"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [call, call]},
        {"role": "tool", "content": "2"},
        {"role": "tool", "content": "3"},
    ]
    system, *others = prompted(turns, [F])

    assert others == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": f"{CALL_F}\n{CALL_F}"},
        {
            "role": "user",
            "content": "<tool_response>\n2\n</tool_response>\n<tool_response>\n3\n</tool_response>",
        },
    ]
    assert system["role"] == "system"
    assert system["content"].startswith("Be brief.\n\n")
    assert json.dumps(F) in system["content"]
    assert prompted(turns, [])[0] == turns[0]
    assert prompted(turns[1:], [F])[0]["role"] == "system"


TEXTS = st.text(st.sampled_from('ab <>tol_cal\n{}"'), max_size=30)
ARGUMENTS = st.dictionaries(TEXTS, TEXTS | st.integers()).map(json.dumps)


@given(
    text=TEXTS.filter(lambda text: "<tool_call>" not in text),
    calls=st.lists(st.tuples(TEXTS, ARGUMENTS), max_size=3),
    cuts=st.lists(st.integers(1, 20), min_size=1),
)
def test_calls_are_found_however_they_are_cut(
    text: str, calls: list[tuple[str, str]], cuts: list[int]
) -> None:
    """The text before them is shown, and each call comes with its name first."""
    whole, reader = text + "\n".join(call_text(*call) for call in calls), CallReader()
    said, found = "", dict[int, list[str]]()
    while whole:
        cut = cuts[len(whole) % len(cuts)]
        piece, whole = whole[:cut], whole[cut:]
        shown, deltas = reader.push(piece, ends=not whole)
        said += shown
        for delta in deltas:
            function = delta["function"]
            assert ("name" in function) == (delta["index"] not in found)
            begun = found.setdefault(delta["index"], [function.get("name", ""), ""])
            begun[1] += function["arguments"]

    assert said == text
    assert [tuple(call) for call in found.values()] == calls
    assert reader.count == len(calls)
