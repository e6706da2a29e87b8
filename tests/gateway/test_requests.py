"""Requests that are wrong before they are read: each gets OpenAI's error body."""

import pytest

from tests.gateway.stacks import CHAT, make_gateway

PATH = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/nope", {}, 404, "path_not_found"),
        ("GET", "/v1/models/", {}, 404, "path_not_found"),
        ("GET", PATH, {}, 405, "method_not_allowed"),
        ("DELETE", "/v1/models", {}, 405, "method_not_allowed"),
        ("POST", PATH, {"content": b"{}"}, 415, "unsupported_media_type"),
        ("POST", PATH, {"data": {"a": "b"}}, 415, "unsupported_media_type"),
        ("POST", PATH, {"content": b"{", "headers": JSON}, 400, "invalid_json"),
        ("POST", PATH, {"json": []}, 400, "invalid_json"),
        ("POST", PATH, {"json": {"a": "x" * 600}}, 413, "body_too_large"),
        ("POST", PATH, {"json": CHAT | {"model": "m\u00e9"}}, 404, "model_not_found"),
        ("GET", "/v1/models/nope", {}, 404, "model_not_found"),
    ],
)
async def test_wrong_requests(method, path, options, status, code):
    """A wrong request has its status, its code and a request id."""
    async with make_gateway(max_body_bytes=500).client() as client:
        response = await client.request(method, path, **options)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"]


async def test_a_long_body_without_a_length_is_cut_off():
    """A body that does not say its length is refused as soon as it is too long."""

    async def endless():
        while True:
            yield b"x" * 100

    async with make_gateway(max_body_bytes=500).client() as client:
        response = await client.post(PATH, content=endless(), headers=JSON)

    assert response.status_code == 413


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        pytest.param(PATH, "POST", id="one route"),
        pytest.param("/v1/responses/resp_1", "DELETE, GET, HEAD", id="two routes"),
    ],
)
async def test_a_method_error_names_the_allowed_ones(path, allowed):
    """405 says what is allowed, by whichever route."""
    async with make_gateway().client() as client:
        response = await client.put(path)

    assert response.headers["allow"] == allowed


async def test_a_whole_number_may_have_a_fraction_of_zero():
    """As in JSON schemas, 2.0 is an integer, for the model too."""
    gateway = make_gateway()

    response = await gateway.post(CHAT | {"max_tokens": 2.0, "n": 1.0})

    assert response.status_code == 200
    assert b'"max_tokens":2,"n":1' in gateway.sql.requests[0].body


async def test_a_broken_number_is_no_whole_one():
    """The error shows the value as it was sent."""
    response = await make_gateway().post(CHAT | {"max_tokens": 2.5, "n": 1.0})

    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_type", "max_tokens")
    assert "2.5" in error["message"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1._X", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False)],
)
async def test_a_client_may_name_its_request_beside_the_gateway(given, kept):
    """A harmless name comes back; the request's id is the gateway's own all the same."""
    response = await make_gateway().post(CHAT, **{"x-client-request-id": given})

    assert response.headers.get("x-client-request-id") == (given if kept else None)
    assert response.headers["x-request-id"] == response.json()["niche"]["request_id"] != given


async def test_no_client_chooses_the_id_of_a_request():
    """Neither by the header in which it comes back, nor twice the same."""
    gateway = make_gateway()

    ids = {
        (await gateway.post(CHAT, **{"x-request-id": "abc"})).headers["x-request-id"]
        for _ in range(3)
    }

    assert len(ids - {"abc"}) == 3
