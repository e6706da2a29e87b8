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
            [(0, "a", None, "{"), (0, None, "f", "}"), (0, None, None, "")],
            id="the name after the id",
        ),
        pytest.param(
            [delta(0, "f", {"x": "é"}, id="a")],
            [(0, "a", "f", '{"x": "é"}')],
            id="an object for the arguments",
        ),
    ],
)
def test_each_delta_has_the_index_of_its_call_and_the_first_its_id_and_name(
    events: Any, wanted: Any
) -> None:
    assert [facts(call) for call in written(*events)] == wanted


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
