"""`GET /v1/niche/evidence`: its shape, and what its totals say."""

import json
from pathlib import Path

import msgspec
import pytest

from deployments.spec import Price
from gateway.evidence.report import Traffic, render_totals, render_trusted
from gateway.evidence.schemas import Comparison, Difference, EvidenceBody
from tests.gateway.evidence.stacks import compared, comparing, order, right_and_wrong, tell
from tests.gateway.stacks import CHAT, GENERALIST, SPECIALIST, make_gateway

GENERAL = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


async def read(gateway):
    """The evidence, checked against its schema; the raw JSON beside it."""
    response = await gateway.get("/v1/niche/evidence")
    assert response.status_code == 200
    return msgspec.json.decode(response.content, type=EvidenceBody), response.json()


def test_the_example_that_the_page_is_tested_with_is_of_this_shape():
    """No field is missing in it, and none is of its own."""
    raw = json.loads((Path(__file__).parents[2] / "golden" / "evidence.json").read_text("utf-8"))
    assert msgspec.to_builtins(msgspec.convert(raw, EvidenceBody)) == raw


async def test_without_a_comparison_it_tells_the_costs_alone():
    """Where nothing is compared specialists are active without evidence, and savings are known."""
    gateway = make_gateway()
    for body in (CHAT, CHAT, GENERAL):
        await gateway.post(body)

    body, raw = await read(gateway)

    assert (body.enabled, body.settings, body.budget) == (False, None, None)
    [specialist] = body.specialists
    assert (specialist.state, specialist.requests, specialist.comparison) == ("active", 2, None)
    totals = body.totals
    assert (totals.requests, totals.routed, totals.comparison) == (3, 2, None)
    # ten tokens each: 13 and 130 millionths; the generalist saves nothing on itself
    assert totals.cost == pytest.approx(2 * 13e-6 + 130e-6)
    assert totals.baseline_cost == pytest.approx(3 * 130e-6)
    assert totals.savings_share == pytest.approx(0.6)
    assert raw["generalist"] == "big"


async def test_nothing_answered_is_nothing_saved():
    """A gateway that has just started divides by nothing."""
    body, _ = await read(make_gateway())
    assert (body.totals.requests, body.totals.routed_share, body.totals.savings_share) == (0, 0, 0)


async def test_it_shows_settings_budget_and_evidence(tmp_path):
    """A specialist has its state, means, intervals, tests with thresholds, and transitions."""
    gateway = comparing(tmp_path, shadow={"max_tokens_per_day": 1000}, **right_and_wrong())
    async with gateway.serving():
        await compared(gateway, "r1")
        await tell(gateway, "r1", correction="right")
        await compared(gateway, "r2")
        body, raw = await read(gateway)

    assert body.enabled
    assert (body.settings.sample_ratio, body.settings.margin, body.settings.confidence) == (
        1,
        0.02,
        0.95,
    )
    assert body.settings.grading == {"sql-model": "feedback"}
    assert (body.budget.tokens_today, body.budget.spent) == (16, False)
    [one] = body.specialists
    assert (one.domain, one.state, one.pairs, one.waiting, one.requests) == (
        "sql",
        "active",
        1,
        1,
        2,
    )
    assert (one.comparison.quality.mean, one.comparison.latency_seconds) == (-1.0, None)
    assert -1 <= one.comparison.quality.low < one.comparison.quality.high <= 1
    tests = {test.name: test for test in one.tests}
    assert list(tests) == ["worse", "worse_lately", "not_worse", "better", "hopeless"]
    assert tests["worse"].e_value > 1 > tests["better"].e_value
    assert tests["worse"].threshold == pytest.approx(20)
    assert [name for name, test in tests.items() if test.in_force] == ["worse", "worse_lately"]
    assert raw["specialists"][0]["transitions"][0]["from"] is None


@pytest.mark.parametrize(
    ("prices", "net_worth"),
    [
        # half a second of engine time at 7.2 and 36 an hour: 0.001 instead of 0.005
        ((SPECIALIST.price, GENERALIST.price), 0.004 - 1),
        # seven tokens of prompt: 0.07 instead of 0.35
        ((Price(prompt_per_million_tokens=10_000), Price(prompt_per_million_tokens=50_000)), -0.72),
        # each model by what it costs: 0.001 of a machine instead of 0.35 of list price
        ((SPECIALIST.price, Price(prompt_per_million_tokens=50_000)), 0.349 - 1),
    ],
    ids=["machines", "list prices", "a machine and a list price"],
)
async def test_the_net_worth_is_quality_less_what_the_models_cost(tmp_path, prices, net_worth):
    """A whole grade is lost, which is worth 1 at a hundredth a point."""
    specialist, generalist = (
        spec.model_copy(update={"price": price})
        for spec, price in zip((SPECIALIST, GENERALIST), prices, strict=True)
    )
    gateway = comparing(
        tmp_path,
        quality_point_worth=0.01,
        specialist=specialist,
        generalist=generalist,
        **right_and_wrong(),
    )
    async with gateway.serving():
        await compared(gateway, "r1")
        await tell(gateway, "r1", correction="right")
        body, _ = await read(gateway)

    [one] = body.specialists
    assert body.settings.quality_point_worth == 0.01
    assert one.comparison.quality.mean == -1.0
    assert one.comparison.net_worth.mean == pytest.approx(net_worth)
    assert {test.claim for test in one.tests if "net worth" in test.claim}


async def test_expense_and_engine_time_are_told_from_twenty_pairs_on(tmp_path):
    """As other differences that have no bounds; without a worth there is no net worth."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        await order(gateway, "pin")
        for number in range(20):
            await compared(gateway, f"r{number}")
            await tell(gateway, f"r{number}", correction="right")
        [one] = (await read(gateway))[0].specialists

    assert one.comparison.expense.mean == pytest.approx(-0.004)
    assert one.comparison.engine_seconds.mean == 0
    assert one.comparison.net_worth is None


async def test_an_order_answers_with_how_the_specialist_stands(tmp_path):
    """Whoever gives an order sees what it did."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        reply = await order(gateway, "demote", reason="maintenance")

    assert (reply.json()["name"], reply.json()["state"]) == ("sql-model", "probation")
    assert reply.json()["transitions"][0]["reason"] == "maintenance"


def specialist(name, quality, latency=None):
    comparison = None if quality is None else Comparison(Difference(*quality), latency, None)
    return msgspec.structs.replace(render_trusted(name, name, 0, 0.0), comparison=comparison)


def test_totals_weigh_specialists_by_their_traffic():
    """A quarter and a half of the traffic are routed: so much of each difference counts."""
    traffic = Traffic({"sql": 25, "tools": 50, "big": 25}, 1.0, 4.0)
    quicker = Difference(-1.0, -2.0, 0.0)
    found = render_totals(
        traffic,
        [
            specialist("sql", (0.2, 0.1, 0.3), quicker),
            specialist("tools", (-0.1, -0.2, 0.0), quicker),
        ],
    )
    assert (found.routed_share, found.savings, found.savings_share) == (0.75, 3.0, 0.75)
    assert found.comparison.quality == Difference(0.0, pytest.approx(-0.075), pytest.approx(0.075))
    assert found.comparison.latency_seconds == Difference(-0.75, -1.5, 0.0)
    assert found.comparison.cost is None


def test_a_specialist_that_answers_unseen_leaves_the_total_unknown():
    """What was not compared is not taken for a tie; one without traffic does not matter."""
    traffic = Traffic({"sql": 25, "big": 25}, 1.0, 4.0)
    compared_one, unseen = specialist("tools", (0.1, 0.0, 0.2)), specialist("sql", None)
    assert render_totals(traffic, [unseen, compared_one]).comparison is None
    idle = Traffic({"tools": 25, "big": 25}, 1.0, 4.0)
    assert render_totals(idle, [unseen, compared_one]).comparison.quality.mean == 0.05
