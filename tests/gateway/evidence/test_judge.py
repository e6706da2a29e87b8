"""The judge: asked in both orders, and none of those it judges."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

import pytest

from deployments.protocol import Chunk, Message, Overloaded, Prompt, Usage
from gateway.config import GradingSection, JudgeSection
from gateway.evidence.grading import Judge
from tests.fakes import FakeBackend
from tests.gateway.evidence.stacks import compared, comparing, evidence_of

PROMPT = Prompt("r1", (Message("system", "be brief"), Message("user", "why is the sky blue?")))


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

    async def stream(self, prompt) -> AsyncGenerator[Chunk]:
        self.prompts.append(prompt)
        if self.refusal is not None:
            raise self.refusal
        yield Chunk(text=self.says(prompt.messages[0].content))
        yield Chunk(finish_reason="stop", usage=Usage(40, 2))


def prefers(word):
    """Names the answer that holds the word."""

    def says(question):
        first = question.split("<answer_a>")[1].split("</answer_a>")[0]
        return "A" if word in first else "B"

    return says


@pytest.mark.parametrize(
    ("says", "scores"),
    [
        (prefers("good"), (1.0, 0.0)),
        (prefers("bad"), (0.0, 1.0)),
        (lambda _: "A", (0.5, 0.5)),
        (lambda _: "B", (0.5, 0.5)),
        (lambda _: "TIE", (0.5, 0.5)),
        (lambda _: "I cannot say.", None),
    ],
    ids=["first", "second", "always the first place", "always the second", "tie", "unreadable"],
)
async def test_a_win_has_to_hold_in_both_orders(says, scores):
    """Who wins in both orders wins; a judge that favours a place sees a tie, or it says nothing."""
    verdict = await Judge(Opinionated(says=says), 60).compare(PROMPT, "good answer", "bad answer")
    assert verdict.scores == scores
    assert verdict.usage == Usage(80, 4)


async def test_a_preference_in_one_order_is_half_a_win():
    """A tie in the other order leaves half of it."""

    def says(question):
        return "A" if "good" in question.split("</answer_a>")[0] else "TIE"

    verdict = await Judge(Opinionated(says=says), 60).compare(PROMPT, "good", "bad")
    assert verdict.scores == (0.75, 0.25)


async def test_the_last_verdict_counts():
    """One that thinks aloud names both answers before it decides."""
    thinking = Opinionated(
        says=lambda question: f"Verdict: B? A is short. VERDICT: {prefers('good')(question)}"
    )
    verdict = await Judge(thinking, 60).compare(PROMPT, "good", "bad")
    assert verdict.scores == (1.0, 0.0)


async def test_words_beside_a_verdict_are_none():
    """Who says why the other answer is wrong does not prefer it."""
    explaining = Opinionated(
        says=lambda question: {"A": "A. Answer B is wrong.", "B": "B. Answer A is wrong."}[
            prefers("good")(question)
        ]
    )
    verdict = await Judge(explaining, 60).compare(PROMPT, "good", "bad")
    assert verdict.scores is None


async def test_equal_answers_need_no_judge():
    """The same text is a tie, for nothing."""
    judge = Opinionated()
    verdict = await Judge(judge, 60).compare(PROMPT, "same", " same\n")
    assert (verdict.scores, verdict.usage, judge.prompts) == ((0.5, 0.5), Usage(0, 0), [])


async def test_the_judge_sees_the_whole_request():
    """It is asked greedily, with every turn, and told its deadline."""
    judge = Opinionated()
    await Judge(judge, 7.0).compare(PROMPT, "good", "bad")
    question = judge.prompts[0]
    assert "system: be brief\nuser: why is the sky blue?" in question.messages[0].content
    assert (question.sampling.temperature, question.deadline_seconds) == (0.0, 7.0)
    assert len({prompt.request_id for prompt in judge.prompts}) == 2


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
    judge = Opinionated(refusal=Overloaded("judge", 1, 1.0))
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
