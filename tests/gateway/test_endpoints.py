"""`gateway.endpoints`: models, probes and the API's description."""

import msgspec
import pytest

from deployments.protocol import Unavailable
from gateway.config import NicheConfig
from gateway.dependencies import Dependencies
from gateway.dialects.embeddings import EmbeddingRequest
from gateway.dialects.parse import CHAT_UNSUPPORTED, HINTS, TEXT_UNSUPPORTED
from gateway.dialects.rerank import RerankRequest
from gateway.dialects.schemas import ChatRequest, TextRequest
from gateway.openapi import describe
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, GENERALIST, make_gateway


async def test_models_are_listed():
    """The list holds auto, the generalist and the specialists, with what they are for."""
    listed = (await make_gateway().get("/v1/models")).json()

    able = {"capabilities": ["json_schema", "logprobs", "tools"]}
    able |= {"available": True, "unavailable_reason": None, "functions": []}
    able |= {"max_context_tokens": None}
    assert [(model["id"], model["owned_by"], model["niche"]) for model in listed["data"]] == [
        ("auto", "niche", {"role": "auto", "domain": None, "engine": None, "pool": None} | able),
        (
            "big",
            "niche",
            {"role": "generalist", "domain": "general", "engine": "fake", "pool": None} | able,
        ),
        (
            "sql-model",
            "niche",
            {"role": "specialist", "domain": "sql", "engine": "fake", "pool": "none"} | able,
        ),
    ]


async def test_ready_when_all_models_answer():
    """With healthy models the gateway is ready."""
    assert (await make_gateway().get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    ("fault", "reason"),
    [({"illness": "no replica"}, "no replica"), ({"hangs": True}, "no answer within 0.05 s")],
)
@pytest.mark.parametrize(
    ("path", "status", "state"), [("/readyz", 200, "degraded"), ("/readyz?all", 503, "unavailable")]
)
@pytest.mark.parametrize("missing", ["big", "sql-model"])
async def test_readiness_names_the_models_that_are_missing(
    fault, reason, path, status, state, missing
):
    """The rest serves, whichever it is; who needs all may ask for all."""
    place = {"big": "big", "sql-model": "sql"}[missing]

    response = await make_gateway(**{place: FakeBackend(missing, **fault)}).get(path)

    assert response.status_code == status
    assert response.json() == {"status": state, "models": {missing: reason}}


async def test_without_any_model_it_is_not_ready():
    """There is nothing to serve."""
    ill = [FakeBackend(name, illness="away") for name in ("big", "sql-model")]

    assert (await make_gateway(*ill).get("/readyz")).status_code == 503


async def test_a_missing_model_is_listed_with_the_reason():
    """It is configured; `auto` is there as long as a model answers with text."""
    gateway = make_gateway(FakeBackend("big", illness="away"))
    await gateway.get("/readyz")

    listed = (await gateway.get("/v1/models")).json()["data"]

    found = {
        of["id"]: (of["niche"]["available"], of["niche"]["unavailable_reason"]) for of in listed
    }
    assert found == {"auto": (True, None), "big": (False, "away"), "sql-model": (True, None)}
    assert (await gateway.get("/v1/models/big")).json()["niche"]["available"] is False


async def test_without_the_generalist_specialists_serve_and_the_rest_is_refused():
    """With an error of its own, at once."""
    gateway = make_gateway(FakeBackend("big", refusal=Unavailable("big", "away"), illness="away"))
    await gateway.get("/readyz")

    assert (await gateway.post(CHAT)).headers["x-niche-model"] == "sql-model"
    refused = await gateway.post(CHAT | {"messages": [{"role": "user", "content": "Hello"}]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_unavailable")


async def test_an_unexpected_failure_of_a_probe_is_unready():
    """A health check that fails in its own way is a failure too, without its words."""

    class Broken(FakeBackend):
        async def health(self, _model):
            raise RuntimeError("secret")

    response = await make_gateway(Broken("big")).get("/readyz")

    assert response.json()["models"] == {"big": "RuntimeError"}


async def test_alive_whatever_the_models_do():
    """Liveness does not depend on models."""
    gateway = make_gateway(FakeBackend("big", refusal=Unavailable("big", "x"), illness="x"))

    assert (await gateway.get("/healthz")).status_code == 200


async def test_the_description_covers_every_route():
    """Every path that is served is described, and no other."""
    gateway = make_gateway()

    described = (await gateway.get("/openapi.json")).json()["paths"]

    assert set(described) == {route.path for route in gateway.app.routes}


def test_every_reference_resolves():
    """Each schema that the description refers to is in it."""
    document = describe()
    text = msgspec.json.encode(document).decode()

    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert names <= set(document["components"]["schemas"])


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        (ChatRequest, CHAT_UNSUPPORTED),
        (TextRequest, TEXT_UNSUPPORTED),
        (EmbeddingRequest, {}),
        (RerankRequest, {}),
    ],
)
def test_the_description_knows_every_parameter(kind, refused):
    """A request's schema has the parameters that are served, those that may only be sent without
    effect, and refuses others."""
    schema = describe()["components"]["schemas"][kind.__name__]

    assert set(schema["properties"]) == {*kind.__struct_fields__, *refused}
    assert all(schema["properties"][name]["enum"] == [None, *refused[name]] for name in refused)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("keys", [True, False])
def test_the_description_says_whether_a_key_is_needed(keys):
    """Either kind of key will do; the page, probes and metrics need none."""
    described = describe(keys=keys)

    needs = [*described["security"]]
    assert needs == [{"bearer": []}, {"key": []}, *([] if keys else [{}])]
    assert described["paths"]["/metrics"]["get"]["security"] == []
    assert "security" not in described["paths"]["/v1/messages"]["post"]


def test_the_description_names_the_hints():
    """Beside the parameters that are refused, and with the header that lists them."""
    chat = describe()["paths"]["/v1/chat/completions"]["post"]

    assert "x-niche-not-applied" in chat["responses"]["200"]["headers"]
    assert all(hint in chat["description"] for hint in HINTS)


def test_a_model_without_a_backend_is_an_error():
    """A stack that cannot reach a configured model is refused when it is made."""
    with pytest.raises(ValueError, match="big"):
        Dependencies(NicheConfig(generalist=GENERALIST), None, None, {}, None, None, None)
