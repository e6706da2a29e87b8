"""Gateways that compare: the fake specialist `sql-model` against the generalist `big`."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from gateway.shadow_config import ShadowSection
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, Gateway, make_gateway, until


def section(folder: Path, **settings: Any) -> ShadowSection:
    """A comparison of every request, unless `settings` say otherwise."""
    every = {"sample_ratio": 1.0, "trial_sample_ratio": 1.0, "store_texts": True}
    return ShadowSection(path=str(folder / "evidence.db"), **(every | settings))


def comparing(folder: Path, **changes: Any) -> Gateway:
    """A gateway of `make_gateway` whose store lies in a folder; `shadow` are settings of it."""
    shadow = section(folder, **changes.pop("shadow", {}))
    return make_gateway(**({"shadow": shadow} | changes))


def right_and_wrong() -> dict[str, FakeBackend]:
    """A generalist that is always right and a specialist that never is."""
    return {
        "big": FakeBackend("big", pieces=("right",)),
        "sql": FakeBackend("sql-model", pieces=("wrong",)),
    }


async def compared(gateway: Gateway, request_id: str, key: str = "", **body: Any) -> httpx.Response:
    """Posts a chat under a name, and waits until its comparison has come to some end."""
    before = outcomes(gateway)
    headers = {"x-client-request-id": request_id, "authorization": f"Bearer {key}"}
    response = await gateway.post(CHAT | body, **headers)
    await until(lambda: outcomes(gateway) > before)
    return response


def claims(folder: Path) -> list[str]:
    """The requests whose comparison has begun: it claims its request in its first step.

    Asked when the gateway has ended, for then its store has done all that it was to do.
    """
    with closing(sqlite3.connect(folder / "evidence.db")) as store:
        return [request_id for (request_id,) in store.execute("SELECT request_id FROM pair")]


def outcomes(gateway: Gateway) -> float:
    """How many comparisons have ended, whatever came of them."""
    family = next(
        found
        for found in gateway.metrics.registry.collect()
        if found.name == "niche_shadow_comparisons"
    )
    return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))


async def tell(gateway: Gateway, request_id: str, key: str = "", **said: Any) -> httpx.Response:
    """Posts feedback to a request by its name, or by its id."""
    body = {"request_id": gateway.ids.get(request_id, request_id), **said}
    return await gateway.post(body, "/v1/feedback", authorization=f"Bearer {key}")


async def pairs(gateway: Gateway, request_id: str, key: str = "") -> httpx.Response:
    """Gets the waiting pairs of a request by its name, or by its id."""
    path = f"/v1/niche/pairs/{gateway.ids.get(request_id, request_id)}"
    return await gateway.get(path, authorization=f"Bearer {key}")


async def order(gateway: Gateway, action: str, **said: Any) -> httpx.Response:
    """Posts an order about the specialist."""
    return await gateway.post({"action": action, **said}, "/v1/niche/lifecycle/sql-model")


async def evidence_of(gateway: Gateway) -> dict[str, Any]:
    """The one specialist of the evidence."""
    [specialist] = (await gateway.get("/v1/niche/evidence")).json()["specialists"]
    return specialist
