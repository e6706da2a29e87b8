"""States across gateways: demotion, restart, the operator, new versions; what a version is."""

import asyncio
import json
import logging
import sqlite3
import time

import pytest

from deployments.log import JsonFormatter
from gateway.evidence.states import version_of
from gateway.shadow_config import GradingSection, JudgeSection, ShadowSection
from router.config import SelectionConfig
from tests.gateway.evidence.stacks import (
    compared,
    comparing,
    evidence_of,
    order,
    right_and_wrong,
    tell,
)
from tests.gateway.stacks import CHAT, GENERALIST, SPECIALIST, make_gateway, until


async def lose(gateway, pairs, name="r"):
    """So many pairs of a right generalist and a wrong specialist."""
    for number in range(pairs):
        await compared(gateway, f"{name}{number}")
        await tell(gateway, f"{name}{number}", correction="right")


async def answering(gateway):
    """The model that answers, and why."""
    headers = (await gateway.post(CHAT)).headers
    return headers["x-niche-model"], headers["x-niche-reason"]


async def test_a_bad_specialist_loses_its_traffic_on_every_gateway_within_a_second(tmp_path):
    """The gateway that learns of it acts at once, the other follows, and neither restarts."""
    one, two = comparing(tmp_path, **right_and_wrong()), comparing(tmp_path, **right_and_wrong())
    async with one.serving(), two.serving():
        assert await answering(two) == ("sql-model", "routed")
        await lose(one, 10)
        assert await answering(one) == ("big", "no_active_specialist")

        demoted = time.monotonic()
        while await answering(two) != ("big", "no_active_specialist"):
            assert time.monotonic() - demoted < 1.0
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("quality_point_worth", "state"), [(1e-6, "active"), (1.0, "probation"), (None, "probation")]
)
async def test_a_cheap_specialist_is_kept_where_a_point_is_worth_little(
    tmp_path, quality_point_worth, state
):
    """Though it is never right, it costs a fifth of the generalist's engine time."""
    gateway = comparing(tmp_path, quality_point_worth=quality_point_worth, **right_and_wrong())
    async with gateway.serving():
        await lose(gateway, 16)
        found = await evidence_of(gateway)

    assert found["state"] == state


async def test_a_restart_keeps_states_and_evidence(tmp_path):
    """What was demoted stays so, with its transitions and its pairs, and pinned what was pinned."""
    before = comparing(tmp_path, **right_and_wrong())
    async with before.serving():
        await lose(before, 12)
        await order(before, "pin")
        left = await evidence_of(before)

    after = comparing(tmp_path)
    async with after.serving():
        found = await evidence_of(after)
        assert await answering(after) == ("big", "no_active_specialist")

    kept = ("state", "since", "pinned", "pairs", "comparison", "transitions", "tests")
    assert {key: found[key] for key in kept} == {key: left[key] for key in kept}
    assert (found["state"], found["pinned"], found["pairs"]) == ("probation", True, 4)


async def test_a_transition_is_logged_and_counted_with_its_evidence(tmp_path, caplog):
    """The log line is JSON and tells the interval; the metric tells from where, to where, why."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        with caplog.at_level(logging.WARNING, "gateway.evidence"):
            await lose(gateway, 10)
        [transition, first] = (await evidence_of(gateway))["transitions"]

    [line] = [
        json.loads(JsonFormatter().format(record))
        for record in caplog.records
        if record.name == "gateway.evidence"
    ]
    assert (line["specialist"], line["before"], line["after"]) == (
        "sql-model",
        "active",
        "probation",
    )
    assert line["quality_difference"][1] == -1.0
    assert line["reason"] == transition["reason"]
    assert (transition["from"], transition["to"], transition["by"]) == (
        "active",
        "probation",
        "evidence",
    )
    assert (first["from"], first["to"], first["by"]) == (None, "active", "version")
    labels = {"before": "active", "after": "probation", "cause": "evidence"}
    name = "niche_specialist_transitions_total"
    assert gateway.sample(name, specialist="sql-model", **labels) == 1
    state = {"specialist": "sql-model", "state": "probation"}
    assert gateway.sample("niche_specialist_state", **state) == 1
    active = {"specialist": "sql-model", "state": "active"}
    assert gateway.sample("niche_specialist_state", **active) == 0


async def test_a_pinned_specialist_keeps_its_traffic(tmp_path):
    """Evidence is gathered, and moves nobody until the pin is released."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        await order(gateway, "pin")
        await lose(gateway, 10)
        pinned = await evidence_of(gateway)
        # Its comparison has to end too: while it goes on the next one is left out.
        asked = await compared(gateway, "asked")
        assert asked.headers["x-niche-reason"] == "routed"

        await order(gateway, "release")
        await lose(gateway, 1, "more")
        assert await answering(gateway) == ("big", "no_active_specialist")

    assert (pinned["state"], pinned["pinned"], pinned["pairs"]) == ("active", True, 10)


async def test_the_operator_overrules_the_evidence(tmp_path):
    """A demoted specialist is promoted by hand; the reason and who it was are kept."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        await lose(gateway, 10)
        reply = await order(gateway, "promote", reason="the grader was wrong")
        assert await answering(gateway) == ("sql-model", "routed")

    newest = reply.json()["transitions"][0]
    assert (newest["by"], newest["reason"]) == ("operator", "the grader was wrong")
    assert (newest["from"], newest["to"]) == ("probation", "active")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("sql-model", {"action": "promote"}, 409, "transition_refused"),
        ("sql-model", {"action": "fire"}, 400, "invalid_value"),
        ("sql-model", {}, 400, "missing_required_parameter"),
        ("nobody", {"action": "pin"}, 404, "model_not_found"),
        ("big", {"action": "pin"}, 400, "invalid_value"),
    ],
)
async def test_a_bad_order_is_refused(tmp_path, path, body, status, code):
    """Each fault has its code, and changes nothing."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        reply = await gateway.post(body, f"/v1/niche/lifecycle/{path}")
        found = await evidence_of(gateway)

    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert (found["state"], found["pinned"]) == ("active", False)


async def test_orders_need_a_key_where_requests_do(tmp_path):
    """Feedback, evidence and orders are behind the same keys as answers."""
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    gateway = comparing(tmp_path, api_keys_file=str(keys))
    async with gateway.serving():
        statuses = [
            (await order(gateway, "pin")).status_code,
            (await tell(gateway, "r1", score=1)).status_code,
            (await gateway.get("/v1/niche/evidence")).status_code,
        ]

    assert statuses == [401, 401, 401]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"specialist": SPECIALIST.model_copy(update={"system_prompt": "Better."})}, "active"),
        ({"shadow": {"sample_ratio": 0.5}}, "probation"),
    ],
    ids=["another version", "another share"],
)
async def test_a_new_version_begins_anew(tmp_path, changes, state):
    """A specialist that answers differently is another one; other settings change nothing."""
    before = comparing(tmp_path, **right_and_wrong())
    async with before.serving():
        await lose(before, 12)
    after = comparing(tmp_path, **changes)
    async with after.serving():
        found = await evidence_of(after)

    assert (found["state"], found["pairs"] > 0) == (state, state == "probation")


async def test_a_gateway_on_its_way_out_does_not_bring_the_old_version_back(tmp_path):
    """What it has yet to grade is about the old version, and moves nothing of the new one."""
    before = comparing(tmp_path, **right_and_wrong())
    changed = {"system_prompt": "Better.", "initial_state": "shadow"}
    after = comparing(tmp_path, specialist=SPECIALIST.model_copy(update=changed))
    async with before.serving():
        await compared(before, "late")
        async with after.serving():
            begun = await evidence_of(after)
            await tell(before, "late", correction="right")
            await order(before, "pin")
            left = await evidence_of(after)

    kept = ("state", "version", "pairs", "transitions")
    assert {key: left[key] for key in kept} == {key: begun[key] for key in kept}
    assert (left["state"], left["pinned"]) == ("shadow", True)


async def test_a_new_generalist_starts_the_evidence_anew(tmp_path):
    """What was better than the old one has yet to show that it is better than the new one."""
    before = comparing(tmp_path, **right_and_wrong())
    async with before.serving():
        await lose(before, 3)
    bigger = make_gateway.__kwdefaults__["generalist"].model_copy(update={"model": "bigger"})
    after = comparing(tmp_path, generalist=bigger)
    async with after.serving():
        found = await evidence_of(after)

    assert (found["state"], found["pairs"]) == ("active", 0)


async def test_a_specialist_begins_as_it_is_declared(tmp_path):
    """One that begins in the shadow gets no traffic until it has proven itself."""
    models = right_and_wrong()
    models["big"].pieces, models["sql"].pieces = ("wrong",), ("right",)
    shy = SPECIALIST.model_copy(update={"initial_state": "shadow"})
    gateway = comparing(tmp_path, specialist=shy, **models)
    async with gateway.serving():
        assert await answering(gateway) == ("big", "no_active_specialist")
        await until(lambda: gateway.sql.requests)
        await lose(gateway, 10)  # the generalist, this time

        assert await answering(gateway) == ("sql-model", "routed")


async def test_a_preview_knows_who_is_retired(tmp_path):
    """Where a text would go is told by the same states as where a request goes."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        await order(gateway, "retire")
        reply = await gateway.post({"messages": CHAT["messages"]}, "/v1/niche/route")

    assert (reply.json()["model"], reply.json()["reason"]) == ("big", "no_active_specialist")


async def test_a_store_that_fails_stops_no_request(tmp_path, caplog):
    """Answers go on with the last known states; feedback and evidence say that they cannot."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        with sqlite3.connect(tmp_path / "evidence.db") as other:
            for table in ("standing", "pair", "answer", "note", "spent", "transition"):
                other.execute(f"DROP TABLE {table}")
        assert await answering(gateway) == ("sql-model", "routed")
        replies = [await tell(gateway, "r1", score=1), await gateway.get("/v1/niche/evidence")]
        await until(lambda: gateway.sample("niche_evidence_store_errors_total"))

    assert [reply.status_code for reply in replies] == [503, 503]
    error = replies[0].json()["error"]
    assert error["code"] == "evidence_unavailable"
    assert str(tmp_path) not in error["message"]
    details = [
        record.fields["detail"] for record in caplog.records if record.name == "gateway.evidence"
    ]
    assert any("no such table" in detail for detail in details)


async def test_what_cannot_be_shown_does_not_end_the_following(tmp_path, caplog):
    """A gateway that met a standing of impossible evidence still learns of the next one."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        with sqlite3.connect(tmp_path / "evidence.db") as other:
            [(good,)] = other.execute("SELECT value FROM standing").fetchall()
            bad = good.replace(b'"counts":[]', b'"counts":[[9000,3]]')
            bad = bad.replace(b'"count":0', b'"count":3')
            other.execute("UPDATE standing SET value = ?", (bad,))
        await until(lambda: any(record.exc_info for record in caplog.records))
        with sqlite3.connect(tmp_path / "evidence.db") as other:
            retired = good.replace(b'"active"', b'"retired"')
            other.execute("UPDATE standing SET value = ?", (retired,))
        labels = {"specialist": "sql-model", "state": "retired"}
        await until(lambda: gateway.sample("niche_specialist_state", **labels) == 1)


SHADOW = ShadowSection(path="x")


def version(specialist=SPECIALIST, generalist=GENERALIST, shadow=SHADOW, **selection):
    return version_of(specialist, generalist, shadow, SelectionConfig(**selection))


def other(spec, **changes):
    return spec.model_copy(update=changes)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"model": "better"}, id="model"),
        pytest.param({"adapter": "mine"}, id="adapter without weights here"),
        pytest.param({"adapter": "sql"}, id="adapter"),
        pytest.param({"engine": "openai"}, id="engine"),
        pytest.param({"engine_options": {"dtype": "float16"}}, id="engine options"),
        pytest.param({"system_prompt": "Think."}, id="system prompt"),
        pytest.param({"domain": "tools"}, id="domain"),
    ],
)
def test_what_changes_answers_changes_the_version(changes):
    """A specialist with other weights, instructions or requests is another specialist."""
    found = version(other(SPECIALIST, **changes))
    assert found.specialist != version().specialist
    assert found.baseline == version().baseline


@pytest.mark.parametrize(
    "changes",
    [{"replicas": 3}, {"name": "x"}, {"initial_state": "shadow"}],
)
def test_what_changes_no_answer_changes_nothing(changes):
    """Scaling and names leave the evidence as it is."""
    assert version(other(SPECIALIST, **changes)) == version()


@pytest.mark.parametrize(
    "found",
    [
        version(generalist=other(GENERALIST, model="better")),
        version(margin=0.05),
        version(quality_point_worth=0.001),
        version(
            shadow=ShadowSection(
                path="x", grading=(GradingSection(specialist="sql-model", method="json"),)
            )
        ),
        version(
            shadow=ShadowSection(
                path="x",
                grading=(GradingSection(specialist="sql-model", method="judge"),),
                judge=JudgeSection(base_url="http://judge/v1", model="wise"),
            )
        ),
    ],
    ids=["generalist", "margin", "worth of a point", "grading", "judge"],
)
def test_what_it_is_held_against_changes_the_baseline(found):
    """Evidence under another margin, grading or generalist is about something else."""
    assert found.specialist == version().specialist
    assert found.baseline != version().baseline


@pytest.mark.parametrize("model", ["specialist", "generalist"])
def test_another_price_of_either_model_is_about_other_costs_alone(model):
    """The models and the grading are the same ones."""
    spec = SPECIALIST if model == "specialist" else GENERALIST
    dearer = spec.price.model_copy(update={"completion_per_million_tokens": 50.0})
    assert version().differs_in_prices_alone(version(**{model: other(spec, price=dearer)}))


async def test_another_price_keeps_the_quality_and_begins_the_costs_anew(tmp_path):
    """A pair that waited for its grade meanwhile counts, but not what it cost."""
    before = comparing(tmp_path)
    async with before.serving():
        await lose(before, 21)
        await compared(before, "late")
        cheap = await evidence_of(before)
    dearer = SPECIALIST.price.model_copy(update={"completion_per_million_tokens": 50.0})
    after = comparing(tmp_path, specialist=other(SPECIALIST, price=dearer))
    async with after.serving():
        await tell(after, before.ids["late"], correction="right")
        found = await evidence_of(after)

    assert (cheap["pairs"], found["pairs"]) == (21, 22)
    assert cheap["comparison"]["cost"] is not None
    assert found["comparison"]["cost"] is None
    assert found["comparison"]["latency_seconds"] is not None


@pytest.mark.parametrize("model", ["specialist", "generalist"])
def test_prices_are_evidence_where_a_point_has_a_worth(model):
    """Money saved at another price is about something else; the specialist is the same one."""
    spec = SPECIALIST if model == "specialist" else GENERALIST
    cheaper = other(spec, price=spec.price.model_copy(update={"machine_per_hour": 1.0}))
    before = version(quality_point_worth=0.001)
    after = version(**{model: cheaper}, quality_point_worth=0.001)
    assert after.specialist == before.specialist
    assert after.baseline != before.baseline


def test_other_settings_of_the_comparison_change_nothing():
    """Shares, budgets and the other specialists' grading leave the evidence as it is."""
    others = ShadowSection(
        path="y", sample_ratio=0.5, grading=(GradingSection(specialist="tools", method="json"),)
    )
    assert version(shadow=others) == version()


def test_a_renamed_key_is_no_new_version():
    """The fingerprints of the first release still hold: an upgrade keeps the evidence."""
    found = version(shadow=ShadowSection(path="x"))
    assert (found.specialist, found.baseline) == ("6f8103c68297", "81664105b078")
