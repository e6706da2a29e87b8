"""What a router behind an endpoint chose: read from headers and fields, stored, and asked again."""

import json

import httpx
import pytest

from deployments.protocol import Message
from lab.benchmarks.choices import MOST_FAILED, Asking, Choice, choices, in_field, in_header
from lab.benchmarks.robustness import RobustnessPrompt
from lab.comparison.endpoint import Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.journal import Journal
from router.types import Query


def prompt(text, system=""):
    above = (Message("system", system),) if system else ()
    return RobustnessPrompt(text, Query((*above, Message("user", text))), "sql", "natural")


class Server:
    """Answers with the prompt's first word as the model, except for prompts told to fail."""

    def __init__(self, *failing):
        self.failing, self.requests = set(failing), []

    def answer(self, request):
        self.requests.append(request)
        text = json.loads(request.content)["messages"][-1]["content"]
        if text in self.failing:
            return httpx.Response(503, text="no replica")
        name = text.split()[0]
        return httpx.Response(
            200, json={"model": name, "niche": {"model": name}}, headers={"x-chosen": name}
        )

    @property
    def asked(self):
        return [json.loads(each.content)["messages"][-1]["content"] for each in self.requests]


async def ask(server, prompts, path, read_name=None, key=None):
    asking = Asking(
        Endpoint("http://127.0.0.1:1/v1", key), "auto", 1, read_name or in_field("model"), 2
    )
    seen = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(server.answer)) as http:
        found = await choices(
            prompts, asking, http, Journal(path, {}), lambda *counts: seen.append(counts)
        )
    return found, seen


@pytest.mark.parametrize(
    "read_name",
    [in_header("X-Chosen"), in_field("model"), in_field("niche.model")],
    ids=["header", "field", "nested field"],
)
async def test_the_choice_is_where_the_router_says_it(tmp_path, read_name):
    """In a header, a field, or a field of an object."""
    found, _ = await ask(Server(), [prompt("sql one")], tmp_path / "a.jsonl", read_name)

    assert found == {"sql one": Choice("sql")}


@pytest.mark.parametrize(
    ("read_name", "named"),
    [
        (in_header("x-other"), "x-other"),
        (in_field("router.model"), "router.model"),
        (in_field("niche"), "niche"),
    ],
    ids=["no header", "no field", "no text"],
)
async def test_an_answer_without_a_choice_is_an_error_that_names_what_is_missing(
    tmp_path, read_name, named
):
    """It is no choice of the generalist."""
    found, _ = await ask(Server(), [prompt("sql one")], tmp_path / "a.jsonl", read_name)

    assert found["sql one"].name is None
    assert named in found["sql one"].error


async def test_the_whole_conversation_is_asked(tmp_path):
    """The system prompt too, with the model, the limit and the key."""
    server = Server()

    await ask(server, [prompt("sql one", "be brief")], tmp_path / "a.jsonl", key="secret")

    [request] = server.requests
    body = json.loads(request.content)
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert (body["model"], body["max_tokens"]) == ("auto", 1)
    assert request.headers["authorization"] == "Bearer secret"


async def test_a_second_run_asks_only_what_has_no_answer(tmp_path):
    """A failed request is asked again, an answered one is not."""
    prompts = [prompt("sql one"), prompt("math two"), prompt("tools three")]
    path = tmp_path / "a.jsonl"
    first, seen = await ask(Server("math two"), prompts, path)
    again = Server()

    second, _ = await ask(again, prompts, path)

    assert first["math two"] == Choice(error="HTTP 503", details="no replica")
    assert seen[-1] == (3, 3, 1)
    assert again.asked == ["math two"]
    assert {name: choice.name for name, choice in second.items()} == {
        "sql one": "sql",
        "math two": "math",
        "tools three": "tools",
    }


async def test_a_prompt_that_occurs_twice_is_asked_once(tmp_path):
    """Its answer counts for both."""
    server = Server()

    found, seen = await ask(server, [prompt("sql one")] * 2, tmp_path / "a.jsonl")

    assert server.asked == ["sql one"]
    assert found.keys() == {"sql one"}
    assert seen == [(1, 1, 0)]


async def test_a_server_that_is_gone_ends_the_run(tmp_path):
    """The error says what failed; the answers before it are used when the run resumes."""
    prompts = [prompt(f"sql {number}") for number in range(MOST_FAILED + 20)]
    gone = Server(*(each.id for each in prompts))
    path = tmp_path / "a.jsonl"

    with pytest.raises(ComparisonError, match=r"503.*no replica"):
        await ask(gone, prompts, path)

    found, _ = await ask(Server(), prompts, path)
    assert len(gone.requests) < len(prompts)
    assert {choice.name for choice in found.values()} == {"sql"}
