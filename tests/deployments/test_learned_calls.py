"""Which requests are for a specialist that learned some functions."""

from typing import Any

import pytest

from deployments.learned_calls import LearnedCalls

TIME = {"type": "object", "properties": {"time": {"type": "string"}}}
ALARM = {"name": "set_alarm", "description": "Set an alarm.", "parameters": TIME}
COIN = {"name": "flip_coin", "parameters": {"type": "object", "properties": {}}}
LEARNED = LearnedCalls((ALARM, COIN))
USER = {"role": "user", "content": "six"}


def chat(*functions: dict[str, Any], messages: tuple[dict[str, Any], ...] = (USER,)) -> Any:
    tools = [{"type": "function", "function": function} for function in functions]
    return {"messages": list(messages), "tools": tools}


def with_parameters(**changes: Any) -> dict[str, Any]:
    return ALARM | {"parameters": TIME | changes}


ANNOTATED = {"time": {"type": "string", "title": "Time", "description": "when"}}


@pytest.mark.parametrize(
    "functions",
    [
        pytest.param([ALARM], id="one"),
        pytest.param([COIN, ALARM], id="several"),
        pytest.param([ALARM | {"description": "Wake me."}], id="another description"),
        pytest.param([with_parameters(properties=ANNOTATED, title="T")], id="notes in its schema"),
        pytest.param([with_parameters(required=[])], id="nothing is required"),
        pytest.param([{"name": "flip_coin"}], id="no parameters"),
        pytest.param([{"name": "flip_coin", "parameters": None}], id="null for parameters"),
    ],
)
def test_requests_with_its_functions_alone_are_for_it(functions: list[Any]) -> None:
    """Descriptions are words, and change nothing that it can say."""
    assert LEARNED.serve(chat(*functions))


@pytest.mark.parametrize(
    "functions",
    [
        pytest.param([{"name": "sell_stock"}], id="another"),
        pytest.param([ALARM, {"name": "sell_stock"}], id="one of its own and another"),
        pytest.param([with_parameters(properties={})], id="other parameters"),
        pytest.param([with_parameters(required=["time"])], id="one is required"),
        pytest.param([with_parameters(properties={"time": {"type": "integer"}})], id="a type"),
    ],
)
def test_requests_with_another_function_are_not(functions: list[Any]) -> None:
    """Unless its card says that it calls functions that it never saw."""
    assert not LEARNED.serve(chat(*functions))
    assert LearnedCalls(LEARNED.functions, others=True).serve(chat(*functions))


def test_what_follows_a_call_is_not() -> None:
    """It learned to call, and not to read what comes of it."""
    any_function = LearnedCalls(LEARNED.functions, others=True)
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    result = {"role": "tool", "content": "done", "tool_call_id": "1"}

    for messages in ((USER, result), (USER, call, USER)):
        assert not LEARNED.serve(chat(ALARM, messages=messages))
        assert not any_function.serve(chat(ALARM, messages=messages))
