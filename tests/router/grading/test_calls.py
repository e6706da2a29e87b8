"""Calls of functions are right as a whole, or by their parts."""

import json

import pytest

from router.grading.calls import call_arguments, call_exact
from router.grading.counts import Reference


def call(name: str, **arguments: object) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


ALARM = Reference(call("set_alarm", time="Six am", days=["Monday", "Friday"], volume=5))
NONE = Reference("None of them fits.")


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (ALARM.answer, True),
        (f"Here it is: {ALARM.answer}", True),
        (call("set_alarm", volume=5, days=["monday", "friday"], time=" six AM "), True),
        (call("set_alarm", time="Six am", days=["Friday", "Monday"], volume=5), False),
        (call("set_alarm", time="Six am", days=["Monday", "Friday"]), False),
        (call("set_alarm", time="Six am", days=["Monday", "Friday"], volume="5"), False),
        (call("setAlarm", time="Six am", days=["Monday", "Friday"], volume=5), False),
        (ALARM.answer + "\n" + ALARM.answer, False),
        (ALARM.answer.replace("}", ""), False),
        ("six am", False),
        ("", False),
    ],
)
def test_a_call_is_right_if_function_and_arguments_are(answer: str, right: bool) -> None:
    """Order, letter case and talk around it do not count; numbers are no texts."""
    assert call_exact(answer, ALARM).hits == right


@pytest.mark.parametrize(
    ("answered", "wanted", "same"),
    [
        (1.0, 1, True),
        (-0.0, 0, True),
        ([2.0, {"b": 3}], [2, {"b": 3.0}], True),
        (1.5, 1, False),
        (True, 1, False),
        (1e400, 1, False),
    ],
)
def test_a_number_is_compared_by_its_value(answered: object, wanted: object, same: bool) -> None:
    """As in JSON elsewhere, `1.0` is `1`, and a truth value is no number."""
    reference = Reference(call("set_volume", volume=wanted))

    assert call_exact(call("set_volume", volume=answered), reference).hits == same
    assert (call_arguments(call("set_volume", volume=answered), reference).hits == 2) == same


def test_no_call_is_right_where_none_is_wanted() -> None:
    """Whatever is said instead."""
    assert call_exact("I cannot do that.", NONE).quality == 1
    assert call_exact(ALARM.answer, NONE).quality == 0
    assert call_arguments("I cannot do that.", NONE).quality == 1
    assert call_arguments(ALARM.answer, NONE).quality == 0


def test_parts_count_the_function_and_each_argument() -> None:
    """Of four wanted, three are there, and one that is wrong."""
    found = call_arguments(
        call("set_alarm", time="six am", days=["Monday", "Friday"], volume=7), ALARM
    )

    assert (found.hits, found.claimed, found.wanted) == (3, 4, 4)


def test_arguments_of_another_function_are_none_of_this_one() -> None:
    """The same names may mean something else there."""
    assert call_arguments(call("remove_alarm", time="Six am"), ALARM).hits == 0


def test_a_call_that_is_none_is_claimed() -> None:
    """It would fail where it is called."""
    found = call_arguments("<tool_call>\n[1]\n</tool_call>", ALARM)

    assert (found.hits, found.claimed) == (0, 1)


def test_a_reference_that_is_no_call_is_an_error() -> None:
    """It could not be graded against."""
    with pytest.raises(ValueError, match="not JSON"):
        call_exact("", Reference("<tool_call>\nset_alarm\n</tool_call>"))
