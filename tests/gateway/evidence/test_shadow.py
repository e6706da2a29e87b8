"""Shadow answers: which requests are compared, and what that must not do."""

import asyncio
import json
from pathlib import Path

import pytest

from deployments.protocol import Overloaded, Unavailable
from gateway.config import NicheConfig
from gateway.evidence.shadow import Sampling
from router.selection.lifecycle import State
from router.types import Decision, Reason
from tests.fakes import FakeBackend, FakeClassifier, NotingBackend
from tests.gateway.evidence.stacks import (
    claims,
    compared,
    comparing,
    evidence_of,
    order,
    pairs,
    tell,
)
from tests.gateway.stacks import CHAT, GENERALIST, SPECIALIST, events_of, until

GENERAL = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def outcome(gateway, name, specialist="sql-model"):
    labels = {"specialist": specialist, "outcome": name}
    return gateway.sample("niche_shadow_comparisons_total", **labels)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_generalist_answers_as_well(tmp_path, stream):
    """What the specialist was asked, the generalist is asked afterwards, under an id of its own."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        await compared(gateway, "r1", stream=stream, seed=3)

    [shown], [unseen] = gateway.sql.requests, gateway.big.requests
    assert json.loads(unseen.body) == json.loads(shown.body)
    assert unseen.request_id == f"{gateway.ids['r1']}-shadow"
    assert outcome(gateway, "waiting") == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_the_user_does_not_wait(tmp_path, stream):
    """The generalist is asked when the user has the whole answer, however long it then takes."""
    big = FakeBackend("big", first_gate=asyncio.Event())
    gateway = comparing(tmp_path, big=big)
    async with gateway.serving():
        response = await asyncio.wait_for(gateway.post(CHAT | {"stream": stream}), 2)
        await until(lambda: big.open_streams == 1)

        assert response.status_code == 200
        assert gateway.sample("niche_requests_in_flight") == 0
        if stream:
            assert events_of(response)[-1] == "[DONE]"
    assert big.open_streams == 0


async def test_latency_is_from_asking_a_model_to_its_last_piece(tmp_path):
    """Each answer is timed alike, whether somebody sees it or not."""
    sql = FakeBackend("sql-model", gate=asyncio.Event())
    big = FakeBackend("big", gate=asyncio.Event())
    gateway = comparing(tmp_path, big=big, sql=sql)
    async with gateway.serving():
        asking = asyncio.create_task(gateway.post(CHAT, **{"x-client-request-id": "r1"}))
        for seconds, backend in ((2.0, sql), (7.0, big)):
            await until(lambda backend=backend: backend.open_streams == 1)
            gateway.clock.advance(seconds)
            backend.gate.set()
            await until(lambda backend=backend: backend.open_streams == 0)
        await asking
        await until(lambda: outcome(gateway, "waiting"))
        [pair] = (await pairs(gateway, "r1")).json()["pairs"]

    assert pair["specialist"]["latency_seconds"] == 2.0
    assert pair["generalist"]["latency_seconds"] == 7.0


async def test_nothing_is_asked_while_the_user_waits(tmp_path):
    """As long as the specialist still answers, the generalist is left alone."""
    sql = FakeBackend("sql-model", gate=asyncio.Event())
    gateway = comparing(tmp_path, sql=sql)
    async with gateway.serving():
        asking = asyncio.create_task(gateway.post(CHAT))
        await until(lambda: sql.open_streams == 1)
        assert gateway.big.requests == []

        sql.gate.set()
        await asking
        assert gateway.big.requests == []  # and not before its last byte
        await until(lambda: gateway.big.requests)


async def test_a_draw_decides_which_requests_are_compared(tmp_path):
    """One that is below the share; what the client calls its request has no part in it."""
    draws = iter([0.19, 0.2, 0.9, 0.0])
    gateway = comparing(tmp_path, shadow={"sample_ratio": 0.2}, draw=lambda: next(draws))
    async with gateway.serving():
        first = await compared(gateway, "same")
        for _ in range(2):
            await gateway.post(CHAT, **{"x-client-request-id": "same"})
        last = await compared(gateway, "same")

    asked = [prompt.request_id.removesuffix("-shadow") for prompt in gateway.big.requests]
    assert asked == [response.headers["x-request-id"] for response in (first, last)]


async def test_feedback_to_the_first_pair_of_a_request_grades_the_next_one_too(tmp_path):
    """It comes while the specialist on trial still answers, and is not sent again."""
    trial = FakeBackend("sql-new", first_gate=asyncio.Event())
    gateway = comparing(tmp_path, trial=trial)
    async with gateway.serving():
        await compared(gateway, "r1")
        told = (await tell(gateway, "r1", correction="right")).json()
        trial.first_gate.set()
        await until(lambda: outcome(gateway, "graded", "sql-new") == 1)

    assert told["status"] == "graded"
    assert len(gateway.big.requests) == 1


async def test_a_comparison_claims_its_request_first(tmp_path):
    """Which the tests of what is not compared rely on: as soon as it begins, the store knows."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        await gateway.post(CHAT, **{"x-client-request-id": "r1"})
        await asyncio.sleep(0)

    assert claims(tmp_path) == [gateway.ids["r1"]]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(GENERAL, id="general"),
        pytest.param(CHAT | {"model": "sql-model"}, id="by-name"),
        pytest.param(CHAT | {"n": 2}, id="several-answers"),
    ],
)
async def test_other_requests_are_not_compared(tmp_path, body):
    """Only single answers to what the router sent to a specialist's domain are."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        await gateway.post(body)
        await asyncio.sleep(0)

    assert claims(tmp_path) == []


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"response_format": {"type": "json_object"}}, 0),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 0),
        ({"logprobs": True}, 1),
    ],
    ids=["json", "tools", "logprobs"],
)
async def test_an_answer_in_another_form_is_not_compared(tmp_path, asked, count):
    """Graders read plain texts; log-probabilities come beside one, and are not asked for again."""
    gateway = comparing(tmp_path, big=NotingBackend("big"), sql=NotingBackend("sql-model"))
    async with gateway.serving():
        answer = await gateway.post(CHAT | asked)
        await asyncio.sleep(0)

    assert (answer.status_code, answer.headers["x-niche-reason"]) == (200, "routed")
    assert len(claims(tmp_path)) == count


async def test_a_request_that_moved_on_is_not_compared(tmp_path):
    """When the generalist answers because the specialist could not, there is nothing to compare."""
    sql = FakeBackend("sql-model", refusal=Overloaded("sql-model", 9, 1.0))
    gateway = comparing(tmp_path, sql=sql)
    async with gateway.serving():
        response = await gateway.post(CHAT)
        await asyncio.sleep(0)

    assert response.headers["x-niche-reason"] == "overloaded"
    assert claims(tmp_path) == []


async def test_a_failed_answer_is_not_compared(tmp_path):
    """A stream that ended in an error is no answer."""
    sql = FakeBackend("sql-model", cut=True)
    gateway = comparing(tmp_path, sql=sql)
    async with gateway.serving():
        await gateway.post(CHAT | {"stream": True})
        await asyncio.sleep(0)

    assert claims(tmp_path) == []


async def test_without_room_a_comparison_is_left_out(tmp_path):
    """One comparison runs at a time; another that comes meanwhile is counted and dropped."""
    big = FakeBackend("big", first_gate=asyncio.Event())
    gateway = comparing(tmp_path, big=big)
    async with gateway.serving():
        await gateway.post(CHAT)
        await until(lambda: big.open_streams == 1)
        await gateway.post(CHAT)

        assert outcome(gateway, "busy") == 1
    assert len(big.requests) == 1


async def test_a_busy_gateway_compares_nothing(tmp_path):
    """While more requests are answered than the limit, no comparison is begun."""
    slow = FakeBackend("big", gate=asyncio.Event())
    gateway = comparing(tmp_path, big=slow, shadow={"max_requests_in_flight": 1})
    async with gateway.serving():
        talking = asyncio.create_task(gateway.post(GENERAL))
        await until(lambda: slow.open_streams == 1)
        await compared(gateway, "r1")

        assert outcome(gateway, "busy") == 1
        slow.gate.set()
        await talking
    assert len(slow.requests) == 1


async def test_a_comparison_takes_no_slot_for_which_somebody_waits(tmp_path):
    """It is refused where it would wait, and left out."""
    gateway = comparing(tmp_path, big=FakeBackend("big", refusal=Overloaded("big", 4, 1.0, "wait")))
    async with gateway.serving():
        await gateway.post(CHAT)
        await until(lambda: outcome(gateway, "busy"))

    assert [asked.max_wait_seconds for asked in gateway.big.requests] == [0.0]


async def test_the_budget_of_tokens_is_kept(tmp_path):
    """Once the day's tokens are used up nothing more is asked; the evidence says so."""
    gateway = comparing(tmp_path, shadow={"max_tokens_per_day": 15})
    async with gateway.serving():
        for name in ("r1", "r2", "r3"):
            await compared(gateway, name)
        budget = (await gateway.get("/v1/niche/evidence")).json()["budget"]

    assert len(gateway.big.requests) == 2  # 10 tokens each: the second passes the limit
    assert outcome(gateway, "budget") == 1
    assert (budget["tokens_today"], budget["spent"]) == (20, True)
    assert gateway.sample("niche_shadow_tokens_total", model="big") == 20


async def test_the_budget_of_money_is_kept(tmp_path):
    """Once the day's money is used up nothing more is asked, whatever tokens are left."""
    gateway = comparing(tmp_path, shadow={"max_cost_per_day": 0.0001})
    async with gateway.serving():
        for name in ("r1", "r2"):
            await compared(gateway, name)

    assert len(gateway.big.requests) == 1  # 7 prompt and 3 answer tokens at 10 and 20 per million
    assert gateway.sample("niche_shadow_cost_currency_total", model="big") == pytest.approx(130e-6)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"cut": True}, id="cut"),
        pytest.param({"failure": Unavailable("big", "gone")}, id="failed"),
    ],
)
async def test_what_broke_off_is_of_the_budget_too(tmp_path, broken):
    """The tokens that came are counted, and the prompt by its length, as nobody counted that."""
    big = FakeBackend("big", fails_after=2, **broken)
    gateway = comparing(tmp_path, big=big)
    async with gateway.serving():
        await compared(gateway, "r1")
        body = (await gateway.get("/v1/niche/evidence")).json()

    assert outcome(gateway, "failed") == 1
    assert body["budget"]["tokens_today"] == 4 + 2
    assert gateway.sample("niche_shadow_tokens_total", model="big") == 4 + 2


async def test_a_failing_model_costs_the_comparison_alone(tmp_path, caplog):
    """The user's answer is there, the failure is counted, and the log says why."""
    gateway = comparing(tmp_path, big=FakeBackend("big", refusal=Unavailable("big", "gone")))
    async with gateway.serving():
        response = await compared(gateway, "r1")

    assert response.status_code == 200
    assert outcome(gateway, "failed") == 1
    [failure] = [record for record in caplog.records if record.name == "gateway.evidence"]
    assert failure.fields["request_id"] == response.headers["x-request-id"]
    assert failure.fields["specialist"] == "sql-model"


async def test_a_model_that_is_down_is_not_asked(tmp_path):
    """What said itself that it cannot answer is left alone."""
    gateway = comparing(tmp_path, big=FakeBackend("big", illness="no replica"))
    async with gateway.serving():
        await gateway.get("/readyz")
        await compared(gateway, "r1")

    assert gateway.big.requests == []
    assert outcome(gateway, "unavailable") == 1


async def test_on_probation_it_is_the_other_way_round(tmp_path):
    """The generalist answers, and the specialist afterwards, where nobody sees it."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        await order(gateway, "demote")
        response = await compared(gateway, "r1")

    assert response.headers["x-niche-model"] == "big"
    assert response.headers["x-niche-reason"] == "no_active_specialist"
    name = response.headers["x-request-id"]
    assert [prompt.request_id for prompt in gateway.big.requests] == [name]
    assert [prompt.request_id for prompt in gateway.sql.requests] == [f"{name}-shadow"]


@pytest.mark.parametrize(
    "actions",
    [pytest.param(["retire"], id="active"), pytest.param(["demote", "retire"], id="on-probation")],
)
async def test_who_is_retired_is_asked_nothing(tmp_path, actions):
    """A retired specialist gets no traffic, and no comparison either."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        for action in actions:
            await order(gateway, action)
        response = await gateway.post(CHAT)
        await asyncio.sleep(0)

    assert response.headers["x-niche-reason"] == "no_active_specialist"
    assert claims(tmp_path) == []


async def test_doubtful_requests_are_no_ones_on_probation(tmp_path):
    """What would not have been routed is not compared either."""
    classifier = FakeClassifier({"SELECT": "sql"}, ood_score=-0.1)
    gateway = comparing(tmp_path, classifier=classifier)
    async with gateway.serving():
        await order(gateway, "demote")
        await gateway.post(CHAT)
        await asyncio.sleep(0)

    assert claims(tmp_path) == []


async def test_without_store_texts_no_word_is_written(tmp_path):
    """With the privacy switch in its place neither prompt nor answer reaches the disk."""
    said = {
        "big": FakeBackend("big", pieces=("alpha-answer",)),
        "sql": FakeBackend("sql-model", pieces=("omega-answer",)),
    }
    body = {"messages": [{"role": "user", "content": "please SELECT my-secret"}]}
    gateway = comparing(tmp_path, shadow={"store_texts": False}, **said)
    async with gateway.serving():
        await compared(gateway, "r1", **body)
        refused = await tell(gateway, "r1", correction="alpha-answer")
        assert (await evidence_of(gateway))["waiting"] == 1

        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "unsupported_parameter"
        assert words_in(tmp_path) == set()


async def test_with_store_texts_answers_are_kept_until_they_are_graded(tmp_path):
    """Both answers are written down, never the prompt, and gone with their grade."""
    said = {
        "big": FakeBackend("big", pieces=("alpha-answer",)),
        "sql": FakeBackend("sql-model", pieces=("omega-answer",)),
    }
    gateway = comparing(tmp_path, **said)
    async with gateway.serving():
        await compared(gateway, "r1")
        assert words_in(tmp_path) == {b"alpha-answer", b"omega-answer"}

        await tell(gateway, "r1", correction="my-secret")
    assert words_in(tmp_path) == set()


def words_in(folder: Path) -> set[bytes]:
    """Which of the telling words stand in any file of a folder."""
    data = b"".join(path.read_bytes() for path in folder.iterdir())
    return {word for word in (b"alpha-answer", b"omega-answer", b"my-secret") if word in data}


SECOND = SPECIALIST.model_copy(update={"name": "sql-new"})
CONFIG = NicheConfig(generalist=GENERALIST, specialists=(SPECIALIST, SECOND))


def sampling(draws, **states):
    known = {"sql-model": State.ACTIVE, "sql-new": State.SHADOW} | states
    left = iter(draws)
    return Sampling(CONFIG, 0.1, 0.3, known.__getitem__, lambda: next(left))


def decision(first="sql-model", reason=Reason.ROUTED):
    return Decision("sql", (first, "big"), reason, 0.9)


@pytest.mark.parametrize(
    ("draws", "picked"),
    [
        ((0.09, 0.29), ("sql-model", "sql-new")),
        ((0.1, 0.29), ("sql-new",)),
        ((0.09, 0.3), ("sql-model",)),
        ((0.1, 0.3), ()),
    ],
    ids=["both", "the one on trial", "the active one", "neither"],
)
def test_each_specialist_has_its_share_and_its_draw(draws, picked):
    """Who answers is compared on a tenth of the requests, who is on trial on three tenths."""
    assert sampling(draws).picked(decision()) == picked


@pytest.mark.parametrize("state", [State.ACTIVE, State.CANDIDATE, State.RETIRED])
def test_only_those_who_answer_or_are_on_trial_are_picked(state):
    """An active one that was not asked first, a candidate and a retired one are left alone."""
    assert sampling((0.0, 0.0), **{"sql-new": state}).picked(decision()) == ("sql-model",)


def test_those_on_probation_are_picked_where_nobody_is_active():
    """The generalist answers, and both are compared."""
    unproven = decision("big", Reason.NO_ACTIVE_SPECIALIST)
    found = sampling((0.0, 0.0), **{"sql-model": State.PROBATION})
    assert found.picked(unproven) == ("sql-model", "sql-new")


@pytest.mark.parametrize(
    "reason", sorted(set(Reason) - {Reason.ROUTED, Reason.NO_ACTIVE_SPECIALIST})
)
def test_doubts_are_not_picked(reason):
    """A request that is not sent for its domain is nobody's to be compared on."""
    assert sampling((0.0, 0.0)).picked(decision(reason=reason)) == ()
