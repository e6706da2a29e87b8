"""The functions: their schemas, and the arguments that an utterance gives them."""

import json
import re

import pytest

from gateway.dialects.json_schema import check_schema
from lab.specialists.functions.catalogue import Function, Parameter, functions

TABLE = Function(
    name="book_table",
    description="Book a table.",
    intents=("set/book",),
    parameters={
        "people": Parameter("count", type="integer"),
        "room": Parameter("room", enum=("Garden", "Hall")),
        "dishes": Parameter("dish", type="array"),
        "day": Parameter("date"),
    },
    required=("day",),
    ignored=("furniture",),
)
MONDAY = ("date", "monday")


@pytest.mark.parametrize(
    ("slots", "arguments"),
    [
        pytest.param([MONDAY], {"day": "monday"}, id="as it was said"),
        pytest.param(
            [MONDAY, ("count", "four")], {"people": 4, "day": "monday"}, id="a number in letters"
        ),
        pytest.param([MONDAY, ("count", "12")], {"people": 12, "day": "monday"}, id="in digits"),
        pytest.param([MONDAY, ("count", "many")], None, id="no number"),
        pytest.param([MONDAY, ("room", "hall")], {"room": "Hall", "day": "monday"}, id="one of"),
        pytest.param([MONDAY, ("room", "attic")], None, id="none of"),
        pytest.param(
            [("dish", "soup"), MONDAY, ("dish", "fish")],
            {"dishes": ["soup", "fish"], "day": "monday"},
            id="a list",
        ),
        pytest.param([MONDAY, ("date", "tuesday")], None, id="two where one is wanted"),
        pytest.param([("count", "4")], None, id="one that is required is missing"),
        pytest.param([MONDAY, ("song", "la la")], None, id="a slot of another function"),
        pytest.param([MONDAY, ("furniture", "table")], {"day": "monday"}, id="an ignored slot"),
    ],
)
def test_slots_become_arguments(slots, arguments) -> None:
    """In the schema's order, which is that of a grammar; None where they do not fit."""
    found = TABLE.arguments(slots)

    assert json.dumps(found) == json.dumps(arguments)


def test_a_function_is_described_as_clients_do() -> None:
    """OpenAI's form, with the required parameters where there are some."""
    described = TABLE.tool["function"]

    assert (TABLE.tool["type"], described["name"]) == ("function", "book_table")
    assert described["parameters"] == {
        "type": "object",
        "properties": {
            "people": {"type": "integer"},
            "room": {"type": "string", "enum": ["Garden", "Hall"]},
            "dishes": {"type": "array", "items": {"type": "string"}},
            "day": {"type": "string"},
        },
        "required": ["day"],
    }


def test_another_spelling_changes_all_names_alike() -> None:
    """Of the function, its parameters, and those that are required."""
    loud = TABLE.spelled(str.upper)

    assert (loud.name, loud.required) == ("BOOK_TABLE", ("DAY",))
    assert loud.arguments([MONDAY]) == {"DAY": "monday"}


def test_the_functions_are_about_a_hundred_and_a_third_is_held_out() -> None:
    """Names are names, and no two functions share one or an intent."""
    every = functions()
    held_out = [of for of in every if of.held_out]
    intents = [intent for of in every for intent in of.intents]

    assert 90 <= len(every) <= 110
    assert 0.28 < len(held_out) / len(every) < 0.36
    assert len({of.name for of in every}) == len(every)
    assert len(set(intents)) == len(intents)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", of.name) for of in every)
    assert all(set(of.required) <= of.parameters.keys() for of in every)


def test_every_schema_is_one() -> None:
    """As the gateway checks a client's."""
    for of in functions():
        check_schema(of.tool["function"]["parameters"], of.name)
