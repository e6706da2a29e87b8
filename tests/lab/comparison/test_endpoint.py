"""Servers and the models that they list."""

from collections.abc import Callable

import httpx
import pytest

from lab.comparison.endpoint import Catalogue, Endpoint, read_catalogue
from lab.comparison.errors import ComparisonError
from tests.lab.comparison.toy_gateway import BIG, SQL, TOOLS, ToyGateway

HERE = Endpoint("http://toy/v1/", "secret")


async def asked(answer: Callable[[httpx.Request], httpx.Response]) -> Catalogue:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        return await read_catalogue(http, HERE)


async def test_a_gateway_tells_its_generalist_and_specialists() -> None:
    """By role and domain."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(ToyGateway().app())) as http:
        found = await read_catalogue(http, HERE)

    assert found.models == (BIG, SQL, TOOLS, "auto")
    assert (found.generalist, found.specialists) == (BIG, {"sql": SQL, "tools": TOOLS})


async def test_models_that_embed_are_not_compared() -> None:
    """They answer nothing."""
    listed = [{"id": "big", "niche": {"role": "generalist"}}]
    listed.append({"id": "vectors", "niche": {"role": "embedding", "domain": None}})
    found = await asked(lambda _: httpx.Response(200, json={"data": listed}))

    assert found == Catalogue(("big",), "big", {})


async def test_another_server_tells_names_alone() -> None:
    """Nobody is its generalist."""
    found = await asked(lambda _: httpx.Response(200, json={"data": [{"id": "gpt"}]}))

    assert found == Catalogue(("gpt",), None, {})


@pytest.mark.parametrize("text", ["not found", '{"data": 3}', "[]"])
async def test_a_server_may_list_nothing(text: str) -> None:
    """Then names must be given."""
    assert await asked(lambda _: httpx.Response(404, text=text)) == Catalogue()


async def test_a_refused_key_is_told() -> None:
    """With how to give one."""
    with pytest.raises(ComparisonError, match=r"401.*who\?.*--api-key-env"):
        await asked(lambda _: httpx.Response(401, text="who?"))


async def test_a_server_that_fails_is_told() -> None:
    """One that starts up has models, and does not tell them yet."""
    with pytest.raises(ComparisonError, match=r"503.*soon.*wait.*--base-url"):
        await asked(lambda _: httpx.Response(503, text="soon"))


async def test_a_server_that_is_not_there_is_told() -> None:
    """With what to do."""

    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ComparisonError, match=r"toy/v1/models: refused.*--base-url"):
        await asked(nobody)


def test_a_key_is_sent_and_not_shown() -> None:
    """It is nobody's business in a log."""
    assert HERE.headers == {"authorization": "Bearer secret"}
    assert "secret" not in repr(HERE)
    assert Endpoint("http://toy/v1").headers == {}


def test_what_is_no_address_is_refused() -> None:
    """Before anything is asked."""
    with pytest.raises(ComparisonError, match=r"'toy/v1'.*URL"):
        Endpoint("toy/v1")
