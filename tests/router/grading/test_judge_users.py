"""The live comparison and `niche compare` grade the same replies alike."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import product

import pytest

from deployments.generation import Piece
from deployments.protocol import Message, Usage
from gateway.evidence.grading import Judge
from lab.comparison.judge import judged_quality
from lab.comparison.outcomes import Outcome, Timing
from router.types import Query
from tests.fakes import FakeBackend

REPLIES = {
    "first": "VERDICT: A",
    "second": "VERDICT: B",
    "tie": "VERDICT: TIE",
    "one word": "b",
    "thinks aloud": "Verdict: B? No. **Verdict: A**",
    "explains": "A. Answer B is wrong.",
    "rambles": "Both have their charm.",
    "silent": "",
}


@dataclass
class Replying(FakeBackend):
    """A judge that gives its replies in turn."""

    name: str = "judge"
    replies: list[str] = field(default_factory=list)

    async def generate(self, prompt) -> AsyncGenerator[Piece]:
        yield Piece(self.replies.pop(0))
        yield Piece(finish_reason="stop", usage=Usage(1, 1))


def said(text: str) -> Outcome:
    return Outcome("row", "auto", "auto", text, Timing(None, 1.0))


@pytest.mark.parametrize(("forward", "reverse"), list(product(REPLIES, repeat=2)))
async def test_both_users_of_the_judge_give_the_same_grade(forward: str, reverse: str) -> None:
    """One rule: whichever way two answers are compared, the same replies are the same grade."""
    there, back = REPLIES[forward], REPLIES[reverse]
    judge = Judge(Replying(replies=[there, back]), 60)
    words = {"auto/first": said(there), "auto/second": said(back)}

    live = await judge.compare("r1", Query((Message("user", "Why?"),)), "mine", "other")
    offline = judged_quality("auto", said("mine"), said("other"), words)

    assert (live.scores and live.scores[0]) == offline
