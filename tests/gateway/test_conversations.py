"""What a request needs, and whose tool calls it answers, choose its model: through the whole edge,
over models that note what they are asked."""

import json

import pytest

from deployments.capability import Capability
from deployments.protocol import PromptTooLong, Unavailable
from deployments.tool_call_ids import marked
from tests.fakes import NotingBackend
from tests.gateway.stacks import CHAT, GENERALIST, SPECIALIST, make_gateway

TOOLS = [{"type": "function", "function": {"name": "f"}}]
FORM = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
SEEN = {"messages": [{"role": "user", "content": [{"type": "text", "text": "SELECT"}, IMAGE]}]}


def can(spec, *capabilities):
    return spec.model_copy(update={"capabilities": frozenset(capabilities)})


def stack(big=(), sql=(), **settings):
    """A gateway whose generalist and whose specialist can do these."""
    return make_gateway(
        settings.pop("generalist", NotingBackend("big")),
        settings.pop("specialist", NotingBackend("sql-model")),
        generalist=can(GENERALIST, *big),
        specialist=can(SPECIALIST, *sql),
        **settings,
    )


def answered(response):
    assert response.status_code == 200, response.text
    return response.headers["x-niche-model"], response.headers["x-niche-reason"]


def loop(call_id):
    """The messages of a conversation at the result of a call."""
    function = {"name": "f", "arguments": "{}"}
    call = {"id": call_id, "type": "function", "function": function}
    return {
        "messages": [
            {"role": "user", "content": "please SELECT"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call_id, "content": "18"},
        ]
    }


NEEDS = [
    ({"tools": TOOLS}, Capability.TOOLS, "tools"),
    ({"response_format": FORM}, Capability.JSON_SCHEMA, "response_format"),
    ({"response_format": {"type": "json_object"}}, Capability.JSON_SCHEMA, "response_format"),
    ({"logprobs": True}, Capability.LOGPROBS, "logprobs"),
    ({"logit_bias": {"5": 1}}, Capability.LOGIT_BIAS, "logit_bias"),
    (SEEN, Capability.IMAGES, "messages[0].content[1]"),
]
OF_NEEDS = ["tools", "schema", "json", "logprobs", "bias", "image"]


@pytest.mark.parametrize(("asked", "need", "place"), NEEDS, ids=OF_NEEDS)
async def test_a_need_goes_where_it_is_served(asked, need, place):
    """To the specialist that can, else to the generalist with the reason, else it is refused."""
    able, unable, nobody = stack(sql=[need]), stack(big=[need]), stack()

    assert answered(await able.post(CHAT | asked)) == ("sql-model", "routed")
    assert answered(await unable.post(CHAT | asked)) == ("big", "lacks_capability")
    refused = await nobody.post(CHAT | asked)

    error = refused.json()["error"]
    assert refused.status_code == 400
    assert (error["code"], error["param"]) == ("unsupported_parameter", place)
    assert nobody.big.requests == nobody.sql.requests == []


@pytest.mark.parametrize(("asked", "need", "place"), NEEDS, ids=OF_NEEDS)
async def test_a_named_model_that_cannot_says_who_could(asked, need, place):
    """It is not replaced: the error names the parameter and the models that serve it."""
    response = await stack(big=[need]).post(CHAT | asked | {"model": "sql-model"})

    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, place)
    assert error["message"].endswith("models that do: big.")


async def test_the_first_thing_that_is_lacked_is_named():
    """Not what could have been served."""
    response = await stack(big=[Capability.TOOLS]).post(CHAT | SEEN | {"tools": TOOLS})

    assert response.json()["error"]["param"] == "messages[0].content[1]"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_result_stays_with_the_model_that_called(stream):
    """Whatever the router would say of the words; the model reads its own id."""
    gateway = stack(big=[Capability.TOOLS], sql=[Capability.TOOLS])

    response = await gateway.post(CHAT | loop(marked("own", "big")) | {"stream": stream})

    assert answered(response) == ("big", "same_conversation")
    assert response.headers["x-niche-domain"] == "general"
    [body] = gateway.big.bodies
    assert body["messages"][1]["tool_calls"][0]["id"] == "own"
    assert body["messages"][2]["tool_call_id"] == "own"
    assert gateway.sample("niche_router_duration_seconds_count") == 0


async def test_a_specialist_that_called_answers_before_the_generalist():
    """The generalist is asked if the model that called fails."""
    ill = NotingBackend("sql-model", refusal=Unavailable("sql-model", "gone"))
    gateway = stack([Capability.TOOLS], [Capability.TOOLS], specialist=ill)

    assert answered(await gateway.post(CHAT | loop(marked("own", "sql-model")))) == (
        "big",
        "unhealthy",
    )
    assert len(ill.requests) == 1


@pytest.mark.parametrize("call_id", [marked("own", "gone"), "call_of_another_server"])
async def test_calls_of_unknown_models_are_routed(call_id):
    """They go to a model that can call, by the words of the user."""
    gateway = stack(big=[Capability.TOOLS])

    assert answered(await gateway.post(CHAT | loop(call_id))) == ("big", "lacks_capability")


async def test_a_caller_that_cannot_call_any_more_is_left():
    """Its capabilities may have changed since."""
    gateway = stack(big=[Capability.TOOLS])

    assert answered(await gateway.post(CHAT | loop(marked("own", "sql-model")))) == (
        "big",
        "lacks_capability",
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_hints_that_nobody_takes_are_named(stream):
    """They reach no model, and the header lists them with what the model left out itself."""
    gateway = stack(specialist=NotingBackend("sql-model", not_applied=("max_tokens",)))

    hints = {"verbosity": "low", "reasoning_effort": "high"}
    response = await gateway.post(CHAT | hints | {"stream": stream})

    assert response.headers["x-niche-not-applied"] == "max_tokens, reasoning_effort, verbosity"
    assert gateway.sql.bodies == [{"messages": CHAT["messages"]}]


async def test_what_was_applied_is_not_named():
    """Without hints there is no such header."""
    assert "x-niche-not-applied" not in (await stack().post(CHAT)).headers


async def test_a_hint_goes_to_the_model_that_takes_it():
    """Each attempt has the hints of its own model."""
    upstream = GENERALIST.model_copy(
        update={"engine": "openai", "engine_options": {"base_url": "http://localhost"}}
    )
    full = NotingBackend("sql-model", refusal=PromptTooLong("messages", "too long"))
    gateway = make_gateway(NotingBackend("big"), full, generalist=upstream)

    response = await gateway.post(CHAT | {"verbosity": "low"})

    assert answered(response) == ("big", "context_length_exceeded")
    assert ("verbosity" in gateway.sql.bodies[0], gateway.big.bodies[0]["verbosity"]) == (
        False,
        "low",
    )
    assert "x-niche-not-applied" not in response.headers


@pytest.mark.parametrize(("model", "clamped"), [("auto", True), ("sql-model", False)])
async def test_only_auto_may_have_a_shorter_answer(model, clamped):
    """Who names a model knows its room."""
    gateway = stack()

    await gateway.post(CHAT | {"model": model, "max_tokens": 100_000})

    assert [request.clamp_max_tokens for request in gateway.sql.requests] == [clamped]


async def test_a_raw_text_reaches_an_adapter_only_by_its_name():
    """An adapter was trained on chats: with auto the generalist completes, and says why."""
    adapted = SPECIALIST.model_copy(update={"adapter": "sql"})
    gateway = make_gateway(NotingBackend("big"), NotingBackend("sql-model"), specialist=adapted)
    text = {"prompt": "please SELECT"}

    auto = await gateway.post({"model": "auto"} | text, "/v1/completions")
    named = await gateway.post({"model": "sql-model"} | text, "/v1/completions")

    assert answered(auto) == ("big", "lacks_capability")
    assert answered(named) == ("sql-model", "requested")


@pytest.fixture
def learned(tmp_path):
    """A gateway whose specialist learned to call `f`, by its card."""
    card = {"functions": [{"name": "f", "parameters": {"type": "object", "properties": {}}}]}
    (tmp_path / "niche.json").write_text(json.dumps(card), encoding="utf-8")
    specialist = SPECIALIST.model_copy(update={"adapter": str(tmp_path)})
    return make_gateway(
        NotingBackend("big"),
        NotingBackend("sql-model"),
        generalist=GENERALIST,
        specialist=specialist,
    )


async def test_a_specialist_gets_requests_with_the_functions_that_it_learned(learned):
    """By the words of the request, or by name."""
    assert answered(await learned.post(CHAT | {"tools": TOOLS})) == ("sql-model", "routed")
    named = await learned.post(CHAT | {"tools": TOOLS, "model": "sql-model"})
    assert answered(named) == ("sql-model", "requested")


async def test_the_functions_that_a_specialist_learned_are_listed(learned):
    listed = (await learned.get("/v1/models")).json()["data"]

    named = {model["id"]: model["niche"]["functions"] for model in listed}
    assert named == {"auto": [], "big": [], "sql-model": ["f"]}


async def test_requests_with_other_functions_go_to_the_generalist(learned):
    """Also where one of them is known; and whoever names the specialist learns who could."""
    other = {"type": "function", "function": {"name": "g"}}

    for tools in ([other], [*TOOLS, other]):
        found = await learned.post(CHAT | {"tools": tools})
        assert answered(found) == ("big", "lacks_capability")
    refused = await learned.post(CHAT | {"tools": [other], "model": "sql-model"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "tools")


async def test_the_result_of_a_call_goes_to_who_reads_it(learned):
    """The specialist learned to call, and not what follows."""
    response = await learned.post(CHAT | loop(marked("own", "sql-model")) | {"tools": TOOLS})

    assert answered(response) == ("big", "lacks_capability")
