"""Grading: by a rule, by the judge, by feedback of clients."""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployments.generation import Piece
from deployments.protocol import Message, Unavailable, Usage
from deployments.spec import ModelSpec
from gateway.evidence.grading import Grading, Judge, UnusableCorrection, default_grader
from gateway.evidence.store import AnswerFeedback, AnswerPair, ModelAnswer
from gateway.shadow_config import GradingSection, JudgeSection
from router.selection.record import Version
from router.types import Query
from tests.fakes import FakeBackend
from tests.gateway.evidence.stacks import compared, comparing, evidence_of

ADAPTERS = Path(__file__).parents[3] / "deployments" / "adapters"


def pair(specialist, generalist):
    return AnswerPair(
        "r1",
        Version("a", "b"),
        0.0,
        ModelAnswer("sql", 1.0, 0.0, specialist),
        ModelAnswer("big", 1.0, 0.0, generalist),
    )


def grading(grader="text", **settings):
    return Grading(GradingSection(specialist="sql", **settings), grader)


@pytest.mark.parametrize(
    ("answer", "keys", "score"),
    [
        ('{"name": 1, "arguments": {}}', (), 1.0),
        ("[1]", (), 1.0),
        ("Sure: {}", (), 0.0),
        ("", (), 0.0),
        ('{"name": 1, "arguments": {}}', ("name", "arguments"), 1.0),
        ('{"name": 1}', ("name", "arguments"), 0.0),
        ("[1]", ("name",), 0.0),
        ("[" * 100_000, (), 0.0),
    ],
)
def test_the_rule_json(answer, keys, score):
    """An answer passes if it is JSON as it stands, with the wanted keys in its object."""
    assert grading(method="json", keys=keys).by_rule(pair(answer, "{}"))[0] == score


def test_a_correction_outweighs_scores():
    """What the answer should have been says more than how it was liked."""
    notes = {"sql": AnswerFeedback(score=1.0, correction="Paris"), "big": AnswerFeedback(score=0.0)}
    assert grading().by_feedback(pair("London", "paris"), notes) == (0.0, 1.0)


@pytest.mark.parametrize(
    "notes", [{}, {"sql": AnswerFeedback(score=1.0)}, {"big": AnswerFeedback(score=1.0)}]
)
def test_one_score_is_no_grade(notes):
    """A pair needs a score for each of its answers."""
    assert grading().by_feedback(pair("a", "b"), notes) is None


def test_a_correction_without_texts_is_no_grade():
    """Where the answers were not kept there is nothing to hold against it."""
    assert grading().by_feedback(pair(None, None), {"sql": AnswerFeedback(correction="x")}) is None


def test_a_correction_that_the_grader_cannot_use_is_an_error():
    """The error names the grader."""
    with pytest.raises(UnusableCorrection, match="'json'"):
        grading("json").against("{}", "no json")


def test_lists_get_a_part_of_the_score():
    """One of two entities is an F1 of two thirds."""
    wanted, said = '{"drugs": ["a", "b"]}', '{"drugs": ["a"]}'
    assert grading("entities").against(said, wanted) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("adapter", "grader"), [("sql", "sql"), ("tools", "json"), (None, "text"), ("lost", "text")]
)
def test_the_default_grader_is_that_of_the_adapters_niche(adapter, grader):
    """An adapter's card names its niche, and the niche its grader; without one words count."""
    if adapter in ("sql", "tools") and not (ADAPTERS / adapter).is_dir():
        pytest.skip(f"no adapter {adapter}")
    assert default_grader(ModelSpec(name="x", model="none", adapter=adapter)) == grader


QUERY = Query((Message("system", "be brief"), Message("user", "why is the sky blue?")))


@dataclass
class Opinionated(FakeBackend):
    """An engine that answers what `says` makes of a question."""

    name: str = "judge"
    says: Callable[[str], str] = lambda question: "TIE"
    started: list[str] = field(default_factory=list)

    async def start(self):
        self.started.append("start")

    async def stop(self):
        self.started.append("stop")

    async def alive(self):
        pass

    async def generate(self, prompt) -> AsyncGenerator[Piece]:
        if self.refusal is not None:
            raise self.refusal
        yield Piece(self.says(prompt.messages[0].content))
        yield Piece(finish_reason="stop", usage=Usage(40, 2))


def prefers(word):
    """Names the answer that holds the word."""

    def says(question):
        first = question.split("<answer_a>")[1].split("</answer_a>")[0]
        return "A" if word in first else "B"

    return says


async def test_a_judge_is_asked_in_both_orders():
    """Its tokens are those of both questions; the rule is that of `router.grading.judge`."""
    verdict = await Judge(Opinionated(says=prefers("good")), 60).compare("r1", QUERY, "good", "bad")
    assert verdict.scores == (1.0, 0.0)
    assert verdict.usage == Usage(80, 4)


async def test_a_reply_that_cannot_be_read_is_no_verdict():
    """No score is made up, and the tokens are counted."""
    verdict = await Judge(Opinionated(says=lambda _: "Hm."), 60).compare("r1", QUERY, "good", "bad")
    assert (verdict.scores, verdict.usage) == (None, Usage(80, 4))


async def test_a_judge_that_fails_half_way_has_been_paid():
    """The tokens of its first reply are counted; what happened is told with them."""
    replies = iter(["A"])

    def says(_):
        for reply in replies:
            return reply
        raise Unavailable("judge", "gone")

    verdict = await Judge(Opinionated(says=says), 60).compare("r1", QUERY, "good", "bad")

    assert (verdict.scores, verdict.usage) == (None, Usage(40, 2))
    assert isinstance(verdict.error, Unavailable)


async def test_equal_answers_need_no_judge():
    """The same text is a tie, for nothing."""
    judge = Opinionated()
    verdict = await Judge(judge, 60).compare("r1", QUERY, "same", " same\n")
    assert (verdict.scores, verdict.usage, judge.requests) == ((0.5, 0.5), Usage(0, 0), [])


async def test_the_judge_sees_the_whole_request():
    """It is asked greedily, with every turn, and told its deadline."""
    judge = Opinionated()
    await Judge(judge, 7.0).compare("r1", QUERY, "good", "bad")
    question = judge.requests[0]
    asked = json.loads(question.body)
    assert "system: be brief\nuser: why is the sky blue?" in asked["messages"][0]["content"]
    assert (asked["temperature"], question.deadline_seconds) == (0.0, 7.0)
    assert len({asked.request_id for asked in judge.requests}) == 2


SHADOW = {
    "grading": (GradingSection(specialist="sql-model", method="judge"),),
    "judge": JudgeSection(base_url="http://judge/v1", model="wise"),
    "store_texts": False,
}


async def test_pairs_are_judged_at_once(tmp_path):
    """A judged pair is evidence as soon as both answers are there, and its tokens are counted."""
    judge = Opinionated(says=prefers("world"))
    big = FakeBackend("big", pieces=("nothing",))
    gateway = comparing(tmp_path, big=big, judge=judge, shadow=SHADOW)
    async with gateway.serving():
        await compared(gateway, "r1")
        found = await evidence_of(gateway)

    assert (found["pairs"], found["means"]) == (1, {"specialist": 1.0, "generalist": 0.0})
    assert gateway.sample("niche_shadow_tokens_total", model="shadow/judge") == 84
    assert judge.started == ["start", "stop"]


async def test_a_judge_that_fails_grades_nothing(tmp_path):
    """The comparison is lost and counted; no grade is made up."""
    judge = Opinionated(refusal=Unavailable("judge", "gone"))
    big = FakeBackend("big", pieces=("nothing",))
    gateway = comparing(tmp_path, big=big, judge=judge, shadow=SHADOW)
    async with gateway.serving():
        await compared(gateway, "r1")
        found = await evidence_of(gateway)

    assert (found["pairs"], found["waiting"]) == (0, 0)
    labels = {"specialist": "sql-model", "outcome": "failed"}
    assert gateway.sample("niche_shadow_comparisons_total", **labels) == 1


async def test_a_judge_that_rambles_proves_nothing(tmp_path):
    """What cannot be read is no tie: it is counted as failed, and its tokens as used."""
    judge = Opinionated(says=lambda _: "Both have their charm.")
    big = FakeBackend("big", pieces=("nothing",))
    gateway = comparing(tmp_path, big=big, judge=judge, shadow=SHADOW)
    async with gateway.serving():
        await compared(gateway, "r1")
        found = await evidence_of(gateway)

    assert found["pairs"] == 0
    labels = {"specialist": "sql-model", "outcome": "failed"}
    assert gateway.sample("niche_shadow_comparisons_total", **labels) == 1
    assert gateway.sample("niche_shadow_tokens_total", model="shadow/judge") == 84
