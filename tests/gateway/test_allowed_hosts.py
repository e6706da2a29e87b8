"""`gateway.allowed_hosts`: a request says by what name it calls."""

import pytest

from tests.gateway.stacks import CHAT, make_gateway

HOSTS = ("127.0.0.1", "ai.example.com", "*.inner.example.com", "[::1]")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "ai.example.com",
        "AI.Example.com:443",
        "a.inner.example.com",
        "a.b.inner.example.com",
        "[::1]",
        "[::1]:8000",
    ],
)
async def test_a_name_that_is_listed_is_answered(host):
    """In any case of letters, with any port."""
    gateway = make_gateway(allowed_hosts=HOSTS)

    response = await gateway.post(CHAT, host=host)

    assert response.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost",
        "example.com",
        "inner.example.com",
        "ai.example.com.evil.example",
        "ai.example.com@evil.example",
        "xinner.example.com",
        "",
    ],
)
async def test_another_name_is_refused(host):
    """As that of a page which has its own name resolve to this machine."""
    gateway = make_gateway(allowed_hosts=HOSTS)

    response = await gateway.post(CHAT, host=host)

    assert response.status_code == 421
    assert response.json()["error"]["code"] == "host_not_allowed"
    assert gateway.sql.requests == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_know_no_name(path):
    """Kubernetes asks by the address of a pod."""
    gateway = make_gateway(allowed_hosts=HOSTS)

    assert (await gateway.get(path, host="10.1.2.3:8000")).status_code != 421


async def test_by_default_every_name_is_answered():
    """Nothing is checked."""
    response = await make_gateway().post(CHAT, host="evil.example")

    assert response.status_code == 200
