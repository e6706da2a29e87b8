"""Whose feedback is evidence: of keys that may grade, about their own answers, so much a day."""

import asyncio
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from deployments.log import JsonFormatter
from gateway.evidence.store import AnsweredRequest, AnswerFeedback, AnswerPair, ModelAnswer
from router.selection.record import Version
from tests.gateway.evidence.stacks import (
    compared,
    comparing,
    outcomes,
    pairs,
    right_and_wrong,
    tell,
)
from tests.gateway.stacks import CHAT, Gateway, until

KEYS = {"asks": "", "grades": "grader ", "grades-too": "grader ", "operates": "operator "}


def keyed(folder: Path, **changes: Any) -> Gateway:
    """A gateway that compares every request, with keys of each kind."""
    path = folder / "keys"
    path.write_text("".join(f"{mark}{key}\n" for key, mark in KEYS.items()))
    return comparing(folder, api_keys_file=str(path), **(right_and_wrong() | changes))


async def evidence(gateway: Gateway) -> dict[str, Any]:
    """What everybody with a key may know of the specialist."""
    answer = await gateway.get("/v1/niche/evidence", authorization="Bearer asks")
    [found] = answer.json()["specialists"]
    return found


async def test_forged_scores_of_a_key_that_may_not_grade_change_nothing(tmp_path):
    """Ten would demote the specialist."""
    gateway = keyed(tmp_path)
    async with gateway.serving():
        for number in range(10):
            await compared(gateway, f"r{number}", "asks")
            reply = await tell(gateway, f"r{number}", "asks", correction="right")
            assert (reply.status_code, reply.json()["error"]["code"]) == (403, "permission_denied")
        found = await evidence(gateway)

    assert (found["state"], found["pairs"], found["waiting"]) == ("active", 0, 10)
    assert gateway.sample("niche_feedback_score_count", model="sql-model") is None


@pytest.mark.parametrize("said", [{"score": 0}, {"score": 0, "model": "big"}, {"correction": "x"}])
async def test_anothers_answer_is_as_unknown_as_none(tmp_path, said):
    """A grader learns of it nothing: the errors differ in the id alone."""
    gateway = keyed(tmp_path)
    async with gateway.serving():
        await compared(gateway, "r1", "grades")
        name = gateway.ids["r1"]
        for post in (tell, pairs):
            more = said if post is tell else {}
            refused = await post(gateway, name, "grades-too", **more)
            unknown = await post(gateway, "0" * len(name), "grades-too", **more)

            assert (refused.status_code, unknown.status_code) == (404, 404)
            assert refused.text.replace(name, "") == unknown.text.replace("0" * len(name), "")
        assert (await evidence(gateway))["waiting"] == 1


async def test_a_grader_grades_its_own_answers(tmp_path):
    """It reads both and scores them."""
    gateway = keyed(tmp_path)
    async with gateway.serving():
        await compared(gateway, "r1", "grades")
        read = await pairs(gateway, "r1", "grades")
        reply = await tell(gateway, "r1", "grades", correction="right")

    assert (read.status_code, reply.json()["status"]) == (200, "graded")


@pytest.mark.parametrize("whose", ["asks", "grades", "operates"])
async def test_an_operator_grades_every_answer(tmp_path, whose):
    """Whosever it is."""
    gateway = keyed(tmp_path)
    async with gateway.serving():
        await compared(gateway, "r1", whose)
        read = await pairs(gateway, "r1", "operates")
        reply = await tell(gateway, "r1", "operates", correction="right")

    assert (read.status_code, reply.json()["status"]) == (200, "graded")


async def test_without_keys_everybody_grades_without_a_limit(tmp_path):
    """All callers are one, as on a laptop."""
    shadow = {"max_pairs_per_key_per_day": 1}
    gateway = comparing(tmp_path, shadow=shadow, **right_and_wrong())
    async with gateway.serving():
        for name in ("r1", "r2"):
            await compared(gateway, name)
            reply = await tell(gateway, name, correction="right")
            assert reply.json()["status"] == "graded"


async def test_what_a_grader_adds_in_a_day_is_bounded_over_all_gateways(tmp_path):
    """Then its feedback is refused until the next day, and an operator's is not."""
    one = keyed(tmp_path, shadow={"max_pairs_per_key_per_day": 2})
    two = keyed(tmp_path, shadow={"max_pairs_per_key_per_day": 2})
    async with one.serving(), two.serving():
        for name in ("r1", "r2", "r3"):
            await compared(one, name, "grades")
        await compared(one, "theirs", "grades-too")
        for gateway, name in ((one, "r1"), (two, "r2")):
            reply = await tell(gateway, one.ids[name], "grades", correction="right")
            assert reply.json()["status"] == "graded"

        refused = await tell(two, one.ids["r3"], "grades", correction="right")
        left = (await evidence(one))["pairs"]
        other = await tell(two, one.ids["theirs"], "grades-too", correction="right")
        last = await tell(two, one.ids["r3"], "operates", correction="right")

    assert (refused.status_code, left) == (429, 2)
    assert refused.json()["error"]["code"] == "feedback_limit_reached"
    assert refused.headers["retry-after"] == "6400"  # from 22:13:20
    assert (other.json()["status"], last.json()["status"]) == ("graded", "graded")


async def test_feedback_that_came_before_the_second_answer_is_bounded_too(tmp_path):
    """When there is a pair to count it for, none counts any more; the pair waits for others."""
    models = right_and_wrong()
    gateway = keyed(tmp_path, shadow={"max_pairs_per_key_per_day": 1}, **models)
    async with gateway.serving():
        await compared(gateway, "r1", "grades")
        models["big"].first_gate = asyncio.Event()
        headers = {"x-client-request-id": "r2", "authorization": "Bearer grades"}
        await gateway.post(CHAT, **headers)
        early = await tell(gateway, "r2", "grades", correction="right")
        await tell(gateway, "r1", "grades", correction="right")
        before = outcomes(gateway)
        models["big"].first_gate.set()
        await until(lambda: outcomes(gateway) > before)
        found = await evidence(gateway)

        last = await tell(gateway, "r2", "operates", correction="right", model="big")

    assert early.json()["status"] == "noted"
    assert (found["pairs"], found["waiting"]) == (1, 1)
    assert last.json()["status"] == "graded"


async def test_no_key_and_no_digest_is_in_any_log(tmp_path, caplog):
    """Of whatever kind the key is, and whatever becomes of its request."""
    caplog.set_level(logging.DEBUG)
    gateway = keyed(tmp_path, shadow={"max_pairs_per_key_per_day": 1})
    async with gateway.serving():
        for key in (*KEYS, "unknown"):
            for name in (f"{key}-1", f"{key}-2"):
                if key in KEYS:
                    await compared(gateway, name, key)
                await tell(gateway, name, key, correction="right")
                await pairs(gateway, name, key)
        metrics = (await gateway.get("/metrics")).text

    said = [json.dumps(json.loads(JsonFormatter().format(record))) for record in caplog.records]
    for key in KEYS:
        digest = hashlib.sha256(key.encode()).hexdigest()
        assert not any(digest in text for text in (*said, metrics))
        assert not any(f"Bearer {key}" in text for text in (*said, metrics))


def test_no_digest_is_in_any_repr():
    """Of what says whose an answer is."""
    digest, answer = "d1gest", ModelAnswer("big", 1.0, 0.5, None)
    holders = [
        AnsweredRequest("r1", "big", 1.0, digest),
        AnswerPair("r1", Version("a", "b"), 1.0, answer, answer, digest),
        AnswerFeedback(score=1.0, grader=digest),
    ]

    assert not any(digest in repr(holder) for holder in holders)
