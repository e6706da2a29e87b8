"""Tool calls as clients need them, whatever a server makes of them."""

from typing import Any

import pytest

from deployments.tool_call_ids import marked, own_id
from deployments.tool_calls import ToolCalls
from tests.model_requests import chat


def delta(index: int | None = None, name: str = "", arguments: Any = "", **more: Any) -> Any:
    function = ({"name": name} if name else {}) | {"arguments": arguments}
    place = {} if index is None else {"index": index}
    return place | more | {"function": function}


def written(*events: Any) -> list[Any]:
    calls = ToolCalls(chat())
    return [call for event in events for call in calls.deltas([event])]


def facts(call: Any) -> tuple[Any, ...]:
    function = call["function"]
    own = own_id(call["id"]) if "id" in call else None
    return call["index"], own, function.get("name"), function["arguments"]


FIRST, REST = (0, "a", "f", "{"), (0, None, None, "}")
SECOND = (1, "b", "g", "{}")


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        pytest.param(
            [delta(0, "f", "{", id="a"), delta(0, "", "}"), delta(1, "g", "{}", id="b")],
            [FIRST, REST, SECOND],
            id="as OpenAI",
        ),
        pytest.param(
            [delta(0, "f", "{", id="a"), delta(0, "f", "}", id="a")],
            [FIRST, REST],
            id="id and name in each",
        ),
        pytest.param(
            [delta(0, "f", "{", id="a"), delta(0, "", "}", id="z")],
            [FIRST, REST],
            id="another id in each",
        ),
        pytest.param(
            [delta(0, "f", "{", id="a"), delta(0, "", "}"), delta(0, "g", "{}", id="b")],
            [FIRST, REST, SECOND],
            id="one index for all",
        ),
        pytest.param(
            [delta(None, "f", "{", id="a"), delta(None, "", "}"), delta(None, "g", "{}", id="b")],
            [FIRST, REST, SECOND],
            id="no index",
        ),
        pytest.param(
            [delta(0, "", "{", id="a"), delta(0, "f", "}"), delta(0, "f", "", id="a")],
            [(0, "a", "f", "{}"), (0, None, None, "")],
            id="the name after the id",
        ),
        pytest.param(
            [delta(0, "", "", id="a"), delta(1, "g", "{}", id="b"), delta(0, "f", "{}")],
            [(0, "b", "g", "{}"), (1, "a", "f", "{}")],
            id="another call before the name",
        ),
        pytest.param(
            [delta(0, "", "{"), delta(0, "f", "}", id="a")],
            [(0, "a", "f", "{}")],
            id="the id with the name",
        ),
        pytest.param(
            [delta(0, "f", {"x": "é"}, id="a")],
            [(0, "a", "f", '{"x": "é"}')],
            id="an object for the arguments",
        ),
        pytest.param(
            [delta(0, "f", None, id="a"), delta(0, "", None)],
            [(0, "a", "f", ""), (0, None, None, "")],
            id="null for the arguments",
        ),
        pytest.param(
            [{"index": 0, "id": "a", "function": {"name": "f"}}, delta(0, "", "{}")],
            [(0, "a", "f", ""), (0, None, None, "{}")],
            id="the arguments later",
        ),
    ],
)
def test_each_delta_has_the_index_of_its_call_and_the_first_its_id_and_name(
    events: Any, wanted: Any
) -> None:
    assert [facts(call) for call in written(*events)] == wanted


F, G = ("f", '{"x":1}'), ("g", "{}")


@pytest.mark.parametrize("place", [{"index": 0, "id": ""}, {"index": 0}, {}], ids=str)
@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        pytest.param([[F, G]], [F, G], id="another name in one event"),
        pytest.param([[F], [G]], [F, G], id="another name in the next event"),
        pytest.param([[F, F]], [F, F], id="the name again in one event"),
        pytest.param([[F], [F]], [F, F], id="the name again after whole arguments"),
        pytest.param([[("f", '{"x":')], [("f", "1}")]], [F], id="the name in each delta"),
        pytest.param([[F], [("f", "")]], [F], id="the name again with nothing"),
        pytest.param([[("f", '{"x":'), ("", "1}")], [G]], [F, G], id="pieces in one event"),
    ],
)
def test_calls_without_an_id_are_told_apart_by_their_names(
    place: Any, events: Any, wanted: Any
) -> None:
    """Each has an index and an id, and the arguments that are its own."""
    calls = ToolCalls(chat())
    told: dict[int, tuple[str, str]] = {}
    ids = []
    for event in events:
        for call in calls.deltas([place | delta(None, *said) for said in event]):
            name, arguments = told.get(call["index"], ("", ""))
            function = call["function"]
            told[call["index"]] = (
                name + function.get("name", ""),
                arguments + function["arguments"],
            )
            ids += [call["id"]] if "id" in call else []

    assert told == dict(enumerate(wanted))
    assert len(set(ids)) == len(ids) == len(wanted)


def test_a_call_that_never_gets_a_name_comes_when_its_choice_ends() -> None:
    """With all of its arguments."""
    calls = ToolCalls(chat())

    assert calls.deltas([delta(0, "", "{", id="a")]) == []
    assert calls.deltas([delta(0, "", "}")]) == []
    assert [facts(call) for call in calls.deltas([], ends=True)] == [(0, "a", "", "{}")]
    assert calls.deltas([], ends=True) == []
    assert calls.held == 0


@pytest.mark.parametrize("function", [None, "f", ["f"]], ids=str)
def test_what_is_no_function_says_nothing(function: Any) -> None:
    """The call that it belongs to stays as it is."""
    first, more = written(delta(0, "f", "{}", id="a"), {"index": 0, "function": function})

    assert (facts(first), more["function"]) == ((0, "a", "f", "{}"), {})


@pytest.mark.parametrize("function", [{}, {"arguments": None}, {"arguments": ""}], ids=str)
def test_a_whole_call_without_arguments_has_none(function: Any) -> None:
    """As JSON, which clients read and send back."""
    (call,) = ToolCalls(chat()).whole([{"id": "a", "function": {"name": "f"} | function}])

    assert call["function"] == {"name": "f", "arguments": "{}"}


def test_an_id_carries_the_model() -> None:
    (call,) = written(delta(0, "f", id="a"))

    assert (call["id"], call["type"]) == (marked("a", "tiny"), "function")


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    calls = ToolCalls(chat())
    ids = {
        call["id"]
        for choice in range(2)
        for call in calls.whole([delta(name="f"), delta(name="f")], choice)
    }

    assert len(ids) == 4
    assert {len(own_id(of)) for of in ids} == {9}
    assert all(own_id(of).isalnum() for of in ids)


def test_what_else_a_server_says_of_a_call_stays() -> None:
    (call,) = ToolCalls(chat()).whole([delta(0, "f", id="a", extra_content={"signature": "x"})])

    assert call["extra_content"] == {"signature": "x"}
    assert "index" not in call
