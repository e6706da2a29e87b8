"""`POST /v1/feedback`: which answers it finds, and how it grades pairs of them."""

import asyncio
import sqlite3

import pytest

from gateway.errors import StoreError
from gateway.evidence.feedback import AnsweredRequests
from gateway.evidence.sqlite_store import SqliteStore
from gateway.evidence.store import StoreExecutor
from gateway.shadow_config import GradingSection
from tests.fakes import FakeBackend
from tests.gateway.evidence.stacks import (
    compared,
    comparing,
    evidence_of,
    order,
    pairs,
    right_and_wrong,
    tell,
)
from tests.gateway.stacks import CHAT, make_gateway, until


async def test_a_correction_grades_both_answers(tmp_path):
    """The generalist's right answer and the specialist's wrong one make a pair of 0 and 1."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        await compared(gateway, "r1")
        reply = await tell(gateway, "r1", correction="right")
        found = await evidence_of(gateway)

    assert reply.json() == {
        "request_id": gateway.ids["r1"],
        "model": "sql-model",
        "status": "graded",
    }
    assert (found["pairs"], found["waiting"]) == (1, 0)
    assert found["means"] == {"specialist": 0.0, "generalist": 1.0}
    assert found["comparison"]["quality"]["mean"] == -1.0


async def test_a_correction_may_come_before_the_second_answer(tmp_path):
    """Who is quicker than the shadow is told so, and the pair is graded when it is complete."""
    models = right_and_wrong()
    models["big"].first_gate = asyncio.Event()
    gateway = comparing(tmp_path, **models)
    async with gateway.serving():
        await gateway.post(CHAT, **{"x-client-request-id": "r1"})
        reply = await tell(gateway, "r1", correction="right")
        models["big"].first_gate.set()
        await until(lambda: gateway.sample("niche_evidence_pairs", specialist="sql-model") == 1)

    assert reply.json()["status"] == "noted"


async def test_the_configured_grader_holds_answers_against_a_correction(tmp_path):
    """With the JSON grader spaces and talk around an answer do not count."""
    grading = (GradingSection(specialist="sql-model", grader="json"),)
    big = FakeBackend("big", pieces=('Sure: {"a":', " 1}"))
    sql = FakeBackend("sql-model", pieces=('{"a": 2}',))
    gateway = comparing(tmp_path, big=big, sql=sql, shadow={"grading": grading})
    async with gateway.serving():
        await compared(gateway, "r1")
        await tell(gateway, "r1", correction='{ "a" : 1 }')
        found = await evidence_of(gateway)

    assert found["means"] == {"specialist": 0.0, "generalist": 1.0}


async def test_scores_of_both_answers_make_a_pair(tmp_path):
    """The score of one waits for that of the other; the mean of each is kept."""
    gateway = comparing(tmp_path, shadow={"store_texts": False})
    async with gateway.serving():
        await compared(gateway, "r1")
        first = await tell(gateway, "r1", score=0.25)
        second = await tell(gateway, "r1", score=1, model="big")
        found = await evidence_of(gateway)

    assert (first.json()["status"], second.json()["status"]) == ("waiting", "graded")
    assert found["means"] == {"specialist": 0.25, "generalist": 1.0}
    assert gateway.sample("niche_feedback_score_sum", model="sql-model") == 0.25
    assert gateway.sample("niche_feedback_score_count", model="big") == 1


async def test_who_scores_both_answers_can_read_both(tmp_path):
    """The answer that nobody saw can be read by its request's id until the pair is graded."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        await compared(gateway, "r1")
        [pair] = (await pairs(gateway, "r1")).json()["pairs"]
        for model, score in (("sql-model", 0), ("big", 1)):
            await tell(gateway, "r1", model=model, score=score)
        graded = await pairs(gateway, "r1")

    assert (pair["specialist"]["model"], pair["specialist"]["text"]) == ("sql-model", "wrong")
    assert (pair["generalist"]["model"], pair["generalist"]["text"]) == ("big", "right")
    assert pair["generalist"]["cost"] == pytest.approx(90e-6)  # 7 and 1 tokens
    assert (graded.status_code, graded.json()["error"]["code"]) == (404, "answer_not_found")


async def test_a_later_score_takes_the_place_of_an_earlier(tmp_path):
    """Who changes their mind before the grade is heard."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        await compared(gateway, "r1")
        for score in (0.0, 0.5):
            await tell(gateway, "r1", score=score)
        await tell(gateway, "r1", score=0.0, model="big")

        assert (await evidence_of(gateway))["means"]["specialist"] == 0.5


async def test_a_pair_is_graded_once(tmp_path):
    """Feedback to a graded pair is known to be settled, and changes neither evidence nor counts."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        await compared(gateway, "r1")
        await tell(gateway, "r1", correction="right", score=0)
        again = [await tell(gateway, "r1", correction="wrong", score=1) for _ in range(3)]

        assert {reply.json()["status"] for reply in again} == {"settled"}
        found = await evidence_of(gateway)
        assert (found["pairs"], found["means"]["specialist"]) == (1, 0.0)
    assert gateway.sample("niche_feedback_score_count", model="sql-model") == 1


async def test_an_answer_keeps_its_id_whatever_a_client_calls_the_next(tmp_path):
    """A later request neither takes over the id of an answer nor its place in the evidence."""
    gateway = comparing(tmp_path, **right_and_wrong())
    async with gateway.serving():
        first = (await compared(gateway, "same")).headers["x-request-id"]
        for name in ("same", first):
            later = await gateway.post(CHAT | {"model": "big"}, **{"x-request-id": name})
            assert later.headers["x-request-id"] not in ("same", first)
        graded = await tell(gateway, first, correction="right")

    assert graded.json() == {"request_id": first, "model": "sql-model", "status": "graded"}


async def test_an_answer_of_another_gateway_is_found(tmp_path):
    """Feedback may reach any gateway; answers are written down within half a second."""
    one, two = comparing(tmp_path, **right_and_wrong()), comparing(tmp_path)
    async with one.serving(), two.serving():
        await compared(one, "r1")
        reply = await tell(two, one.ids["r1"], correction="right")

        assert reply.json()["status"] == "graded"
        assert (await evidence_of(one))["pairs"] == 1


async def test_an_answer_that_is_not_compared_takes_scores(tmp_path):
    """A score of any answer is counted with its model's, whether there is a pair or not."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        await gateway.post(CHAT | {"model": "big"}, **{"x-client-request-id": "r1"})
        reply = await tell(gateway, "r1", score=0.75)

    assert reply.json() == {"request_id": gateway.ids["r1"], "model": "big", "status": "noted"}
    assert gateway.sample("niche_feedback_score_sum", model="big") == 0.75


@pytest.mark.parametrize(
    ("said", "status", "code", "parameter"),
    [
        pytest.param({"score": 1}, 404, "answer_not_found", "request_id", id="unknown answer"),
        pytest.param({}, 400, "missing_required_parameter", "score", id="nothing said"),
        pytest.param({"score": 1.5}, 400, "invalid_value", "score", id="score above one"),
        pytest.param({"score": True}, 400, "invalid_type", "score", id="score of another type"),
        pytest.param({"stars": 5}, 400, "unknown_parameter", "stars", id="unknown parameter"),
    ],
)
async def test_bad_feedback_is_refused(tmp_path, said, status, code, parameter):
    """Each fault has its code, and names the parameter."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        reply = await tell(gateway, "r9", **said)

    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, parameter)


async def test_a_model_that_did_not_answer_cannot_be_scored(tmp_path):
    """The error names the parameter to leave out."""
    gateway = comparing(tmp_path)
    async with gateway.serving():
        await gateway.post(CHAT | {"model": "sql-model"}, **{"x-client-request-id": "r1"})
        reply = await tell(gateway, "r1", score=1, model="big")

    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (404, "answer_not_found", "model")
    assert "'big'" in error["message"]


@pytest.mark.parametrize("correction", ["not json", ""])
async def test_a_correction_that_is_no_answer_is_refused(tmp_path, correction):
    """What the grader cannot hold an answer against spoils no evidence."""
    grading = (GradingSection(specialist="sql-model", grader="json"),)
    gateway = comparing(tmp_path, shadow={"grading": grading})
    async with gateway.serving():
        await compared(gateway, "r1")
        reply = await tell(gateway, "r1", correction=correction)

        assert reply.status_code == 400
        assert reply.json()["error"]["param"] == "correction"
        assert (await evidence_of(gateway))["waiting"] == 1


async def test_a_correction_to_the_generalists_answer_is_checked_too(tmp_path):
    """On probation the correction meets the grader of the specialist that nobody saw."""
    grading = (GradingSection(specialist="sql-model", grader="json"),)
    gateway = comparing(tmp_path, shadow={"grading": grading})
    async with gateway.serving():
        await order(gateway, "demote")
        await compared(gateway, "r1")
        reply = await tell(gateway, "r1", correction="not json")

    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "correction")
    assert "'json'" in reply.json()["error"]["message"]


async def test_without_a_comparison_there_is_no_feedback():
    """Where nothing is compared feedback is refused with the remedy."""
    reply = await tell(make_gateway(), "r1", score=1)

    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "shadow_disabled")
    assert "gateway.shadow" in reply.json()["error"]["message"]


@pytest.fixture
def executor(tmp_path):
    executor = StoreExecutor(SqliteStore(str(tmp_path / "evidence.db")))
    yield executor
    executor.close()


async def found(executor, names):
    return [
        await executor.run(lambda store, name=name: store.model_of(name, None)) for name in names
    ]


async def test_two_who_write_at_once_lose_nothing(executor):
    """Feedback writes what the housekeeping is writing, while more answers come."""
    answers = AnsweredRequests(executor, lambda: 1.0, 60)
    for name in ("a", "b", "c"):
        answers.add(name, "big", "")
    first, second = (asyncio.create_task(answers.write()) for _ in range(2))
    await asyncio.sleep(0)
    answers.add("d", "big", "")
    await asyncio.gather(first, second)
    await answers.write()

    assert await found(executor, "abcd") == ["big"] * 4


async def test_what_could_not_be_written_is_written_later(executor, tmp_path):
    """A store that fails costs no answer, neither those it was given nor those that came since."""
    answers = AnsweredRequests(executor, lambda: 1.0, 60)
    answers.add("a", "big", "")
    with sqlite3.connect(tmp_path / "evidence.db") as other:
        other.execute("ALTER TABLE answer RENAME TO hidden")
    with pytest.raises(StoreError):
        await answers.write()
    answers.add("b", "big", "")
    with sqlite3.connect(tmp_path / "evidence.db") as other:
        other.execute("ALTER TABLE hidden RENAME TO answer")
    await answers.write()

    assert await found(executor, "ab") == ["big", "big"]
