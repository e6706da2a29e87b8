"""Models that share machines: a pool's, and one server's."""

from deployments.spec import ModelSpec, Price
from lab.planning.sharing import shared_machines


def at(name: str, url: str, per_hour: float = 1.0) -> ModelSpec:
    """A model behind a server."""
    return ModelSpec(
        name=name,
        model=name,
        domain=name,
        engine="openai",
        engine_options={"base_url": url},
        price=Price(machine_per_hour=per_hour),
    )


def test_adapters_of_one_server_share_its_machines() -> None:
    """A slash at the end of its URL makes no other server of it."""
    specs = [at("sql", "http://a/v1"), at("law", "http://a/v1/"), at("tax", "http://b/v1")]

    assert shared_machines(specs) == {"sql": "http://a/v1", "law": "http://a/v1"}


def test_a_pool_shares_beside_servers() -> None:
    """Each under its own name."""
    pool = [
        ModelSpec(name=name, model="base", engine="fake", domain=name) for name in ("math", "text")
    ]

    found = shared_machines([*pool, at("sql", "http://a/v1"), at("law", "http://a/v1")])

    assert found == {
        "math": "base",
        "text": "base",
        "sql": "http://a/v1",
        "law": "http://a/v1",
    }


def test_servers_behind_a_proxy_are_told_by_their_price() -> None:
    """One URL with two prices is no one machine."""
    assert shared_machines([at("sql", "http://a/v1"), at("law", "http://a/v1", 2.0)]) == {}


def test_a_server_of_somebody_else_is_no_machine() -> None:
    """Nothing is planned for it, however many models it has."""
    assert shared_machines([at("sql", "http://a/v1", 0.0), at("law", "http://a/v1", 0.0)]) == {}


def test_replicas_of_their_own_are_not_the_server_s() -> None:
    """They are Ray's, and each model's."""
    specs = [at("sql", "http://a/v1"), at("law", "http://a/v1")]

    assert shared_machines([of.model_copy(update={"deployment": "own"}) for of in specs]) == {}
