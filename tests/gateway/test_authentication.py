"""`gateway.authentication`: keys."""

import pytest

from gateway.authentication import ApiKeys
from tests.gateway.stacks import CHAT, make_gateway


@pytest.fixture
def gateway(tmp_path):
    path = tmp_path / "keys"
    path.write_text("first-key\n\n  s\u00e9cond-key \n", encoding="utf-8")
    return make_gateway(api_keys_file=str(path))


@pytest.mark.parametrize("key", ["first-key", pytest.param("s\u00e9cond-key", id="accent")])
def test_each_key_of_the_file_is_accepted(tmp_path, key):
    """Every line of the file is a key."""
    path = tmp_path / "keys"
    path.write_text("first-key\n\n  s\u00e9cond-key \n", encoding="utf-8")

    assert ApiKeys.from_file(path).accept(key.encode())


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic first-key"])
async def test_other_requests_are_refused(gateway, header):
    """Without an accepted bearer key there is a 401 in OpenAI's shape."""
    response = await gateway.post(CHAT, authorization=header)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_key_lets_in(gateway):
    """A request with a key is answered."""
    response = await gateway.post(CHAT, authorization="bearer first-key")

    assert response.status_code == 200


async def test_a_key_of_anthropics_clients_lets_in(gateway):
    """It may come in their header too; one of the kind that others use comes first."""
    answered = await gateway.post(CHAT, **{"x-api-key": "first-key"})
    refused = await gateway.post(CHAT, **{"x-api-key": "first-key", "authorization": "Bearer no"})

    assert (answered.status_code, refused.status_code) == (200, 401)


@pytest.mark.parametrize(
    ("lines", "key", "status"),
    [
        ("asks\noperator orders\n", "asks", 401),
        ("asks\noperator orders\n", "orders", 409),
        ("operator orders\n", "orders", 409),
        ("asks\nasks-too\n", "asks", 409),
    ],
    ids=["no operator", "operator", "alone", "no operator is named"],
)
async def test_orders_want_an_operators_key(tmp_path, lines, key, status):
    """Who may ask cannot move specialists, unless no key is marked; there is none here to move."""
    path = tmp_path / "keys"
    path.write_text(lines)
    gateway = make_gateway(api_keys_file=str(path))
    header = {"authorization": f"Bearer {key}"}

    order = await gateway.post({"action": "retire"}, "/v1/niche/lifecycle/sql-model", **header)
    asked = await gateway.post(CHAT, **header)

    assert (order.status_code, asked.status_code) == (status, 200)


async def test_changes_of_the_stack_want_an_operators_key(tmp_path):
    """Adding and removing specialists too; there is no file to change here."""
    path = tmp_path / "keys"
    path.write_text("asks\noperator orders\n")
    gateway = make_gateway(api_keys_file=str(path))
    found = []

    for key in ("asks", "orders"):
        async with gateway.client() as client:
            client.headers["authorization"] = f"Bearer {key}"
            added = await client.post("/v1/niche/specialists", json={"name": "a", "adapter": "sql"})
            removed = await client.delete("/v1/niche/specialists/sql-model")
        found.append((added.status_code, removed.status_code))

    assert found == [(401, 401), (409, 409)]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
async def test_probes_need_no_key(gateway, path):
    """Probes and metrics are open."""
    assert (await gateway.get(path)).status_code == 200


def test_an_empty_file_is_an_error():
    """A file without keys would lock everybody out: it is refused at the start."""
    with pytest.raises(ValueError, match=r"gateway\.api_keys_file"):
        ApiKeys([])


def test_keys_are_not_shown():
    """Nothing that prints the keys' holder prints a key."""
    keys = ApiKeys(["secret"])

    assert "secret" not in repr(vars(keys))
