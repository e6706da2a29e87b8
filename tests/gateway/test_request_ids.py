"""`gateway.request_ids`: what Ray Serve does with ids of requests, and what clients see of it."""

import httpx
import pytest
from ray.serve._private.http_util import RequestIdMiddleware
from starlette.types import ASGIApp

from gateway.request_ids import middlewares
from tests.gateway.stacks import CHAT, make_gateway


def behind_serve(app: ASGIApp) -> ASGIApp:
    """An app as Serve puts it behind an HTTP server: first its own layer, then those it is told."""
    app = RequestIdMiddleware(app)
    for middleware in middlewares():
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    return app


async def asked(**headers: str) -> httpx.Response:
    """The answer to a chat with these headers."""
    transport = httpx.ASGITransport(behind_serve(make_gateway().app))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.post("/v1/chat/completions", json=CHAT, headers=headers)


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({}, None),
        ({"x-request-id": "theirs"}, "theirs"),
        ({"x-client-request-id": "theirs"}, "theirs"),
        ({"x-request-id": "other", "x-client-request-id": "theirs"}, "theirs"),
        ({"x-request-id": "not/sane"}, None),
    ],
    ids=[
        "none",
        "as OpenAI names the server's",
        "as OpenAI names the client's",
        "both",
        "not sane",
    ],
)
async def test_an_answer_has_one_id_and_it_is_the_gateways(headers, named):
    """What the client calls its request comes back under another name, where it is harmless."""
    response = await asked(**headers)

    [request_id] = response.headers.get_list("x-request-id")
    assert request_id == response.json()["niche"]["request_id"] != "theirs"
    assert response.headers.get("x-client-request-id") == named


async def test_without_it_serve_adds_the_clients_id():
    """Why the layer is there: a Serve that no longer does so needs it no longer."""
    transport = httpx.ASGITransport(RequestIdMiddleware(make_gateway().app))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        response = await client.get("/healthz", headers={"x-request-id": "theirs"})

    assert len(response.headers.get_list("x-request-id")) == 2
