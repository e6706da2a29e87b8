"""The router's guarantee while specialists gain and lose their requests."""

import logging

import pytest

from gateway.guarantee_watch import GuaranteeWatch
from router.config import RouterConfig
from router.guarantee import Guarantee
from router.policy import Policy
from tests.gateway.evidence.stacks import comparing, order
from tests.gateway.stacks import CHAT, SPECIALIST, until

PROMISE = Guarantee(0.02, 0.05, "misroute", 0.5, 90, 100, 0.0, 0.01)
LOGGER = "gateway.routing"


async def stated(gateway):
    """What the gateway says of its guarantee, beside a decision."""
    asked = {"messages": CHAT["messages"]}
    return (await gateway.post(asked, "/v1/niche/route")).json()["guarantee"]


async def test_a_demoted_specialist_takes_the_guarantee_along(tmp_path, caplog):
    """What is stated holds: without the requests of its domain the share of wrong ones is another
    one; promoted again, it is what was certified."""
    gateway = comparing(tmp_path, guarantee=PROMISE)
    with caplog.at_level(logging.INFO, LOGGER):
        async with gateway.serving():
            first = await stated(gateway)
            await order(gateway, "demote")
            void = await stated(gateway)
            await until(lambda: len(caplog.records) == 1)
            await order(gateway, "promote")
            again = await stated(gateway)
            await until(lambda: len(caplog.records) == 2)

    assert (first, again) == (PROMISE.sentence(), PROMISE.sentence())
    assert PROMISE.sentence() not in void
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.records[0].fields == {"domains": ["sql"]}


async def test_a_specialist_in_the_shadow_guarantees_nothing(tmp_path):
    """It gets no requests from the start."""
    shadow = SPECIALIST.model_copy(update={"initial_state": "shadow"})
    gateway = comparing(tmp_path, specialist=shadow, guarantee=PROMISE)
    async with gateway.serving():
        assert PROMISE.sentence() not in await stated(gateway)


@pytest.mark.parametrize("active", [{"a", "b"}, {"b"}, set()], ids=["both", "one", "none"])
def test_it_is_logged_once(active, caplog):
    """However often somebody looks."""
    policy = Policy({"sql": ("a",), "math": ("b",)}, "big", RouterConfig(), PROMISE)
    watch = GuaranteeWatch(policy, active.__contains__)
    with caplog.at_level(logging.INFO, LOGGER):
        for _ in range(3):
            watch.look()
    assert len(caplog.records) == (0 if len(active) == 2 else 1)
