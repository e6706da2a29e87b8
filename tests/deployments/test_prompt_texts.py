"""`deployments.prompt_texts`: which texts of a request need room."""

from typing import Any

import pytest

from deployments.prompt_room import Measures, PromptRoom
from deployments.prompt_texts import has_room, too_long

LONG, SHORT = "x" * 500, "x" * 300
"""Of tokens with at most eight letters: 63, and 38."""


def room(*, hides_thoughts: bool = False) -> PromptRoom:
    return PromptRoom(50, Measures(8, 8), hides_thoughts=hides_thoughts)


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": LONG}}


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        pytest.param("chat", {"messages": [said("user", LONG)]}, id="a message"),
        pytest.param(
            "chat", {"messages": [said("system", SHORT), said("user", SHORT)]}, id="all messages"
        ),
        pytest.param(
            "chat", {"messages": [said("user", [{"type": "text", "text": LONG}])]}, id="a part"
        ),
        pytest.param("chat", {"messages": [said("assistant", None, tool_calls=[CALL])]}, id="call"),
        pytest.param(
            "chat", {"messages": [said("assistant", "", reasoning_content=LONG)]}, id="thoughts"
        ),
        pytest.param("count_tokens", {"messages": [said("user", LONG * 300)]}, id="counting"),
        pytest.param("completion", {"prompt": ["x", LONG]}, id="one of several prompts"),
        pytest.param("embedding", {"input": LONG}, id="a text to embed"),
        pytest.param("rerank", {"query": SHORT, "documents": ["x", SHORT]}, id="with its query"),
    ],
)
def test_a_prompt_without_room_is_refused_by_name(operation, fields):
    """The parameter is the one that holds it, and the reason says how long the context is."""
    error = too_long(room(), operation)

    assert not has_room(room(), operation, fields)
    assert error.parameter in fields
    assert "50" in error.reason


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        pytest.param("completion", {"prompt": [SHORT, SHORT]}, id="prompts apart"),
        pytest.param("completion", {"prompt": [[1] * 500]}, id="numbers of tokens"),
        pytest.param(
            "count_tokens", {"messages": [said("user", LONG)]}, id="what is counted alone"
        ),
        pytest.param("embedding", {"input": [SHORT, SHORT, [1, 2]]}, id="inputs apart"),
        pytest.param("rerank", {"query": "x", "documents": [SHORT, SHORT]}, id="documents apart"),
        pytest.param(
            "chat",
            {"messages": [said("user", [{"type": "image_url", "image_url": {"url": LONG}}])]},
            id="an image",
        ),
        pytest.param(
            "chat",
            {"messages": [said("assistant", "x", reasoning_content=SHORT)] * 3},
            id="thoughts of several answers",
        ),
    ],
)
def test_what_may_fit_passes(operation, fields):
    """Each prompt has the whole room, and what is no text needs none that is known here."""
    assert has_room(room(), operation, fields)


def test_thoughts_that_a_template_leaves_out_need_no_room():
    """Each answer's alone, as it was when the model thought them."""
    thought = {"messages": [said("assistant", f"{SHORT}</think>x")] * 3}
    huge = {"messages": [said("assistant", f"{LONG}</think>x")]}

    assert has_room(room(hides_thoughts=True), "chat", thought)
    assert not has_room(room(), "chat", thought)
    assert not has_room(room(hides_thoughts=True), "chat", huge)
