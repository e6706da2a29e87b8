"""Pages of other origins in a browser."""

import pytest
from pydantic import ValidationError

from gateway.config import GatewaySection
from tests.gateway.stacks import CHAT, make_gateway

PAGE = "https://app.example.com"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}
PATH = "/v1/chat/completions"


async def test_a_page_that_the_operator_names_may_ask_without_a_key(tmp_path):
    """A browser sends no key with its first question."""
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    gateway = make_gateway(cors_allow_origins=[PAGE], api_keys_file=str(keys))
    async with gateway.client() as client:
        response = await client.options(PATH, headers=PREFLIGHT)

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in response.headers["access-control-allow-headers"].lower()


async def test_it_reads_the_answer_its_headers_and_errors():
    """A refusal is of use only to a page that may read it."""
    gateway = make_gateway(cors_allow_origins=[PAGE])

    answer = await gateway.post(CHAT, origin=PAGE)
    refusal = await gateway.post({"model": "auto"}, origin=PAGE)

    assert (answer.status_code, refusal.status_code) == (200, 400)
    for response in (answer, refusal):
        assert response.headers["access-control-allow-origin"] == PAGE
        exposed = response.headers["access-control-expose-headers"]
        expected = {"x-request-id", "request-id", "x-niche-model", "retry-after"}
        assert expected <= set(exposed.split(", "))


@pytest.mark.parametrize("limits", [{}, {"cors_allow_origins": ["https://other.example.com"]}])
async def test_every_other_page_may_not(limits):
    """The default names none."""
    gateway = make_gateway(**limits)
    async with gateway.client() as client:
        asked = await client.options(PATH, headers=PREFLIGHT)
    answer = await gateway.post(CHAT, origin=PAGE)

    assert asked.status_code >= 400
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["app.example.com", "https://app.example.com/", "ftp://a", ""])
def test_what_is_no_origin_is_refused(origin):
    """A path, or a host alone, would never match what browsers send."""
    with pytest.raises(ValidationError) as refused:
        GatewaySection(cors_allow_origins=[origin])

    assert refused.value.errors()[0]["loc"] == ("cors_allow_origins", 0)
