"""The scorer that finds the request in a long text."""

import json

import numpy as np
import pytest

from lab.benchmarks.robustness import read_prompts
from lab.routing.forms import IN_LONG_TEXT, TEXTS, formed, wordings
from lab.routing.segments import fit_scorer
from router.request_text import SegmentScorer, request_text


@pytest.fixture(scope="module")
def scorer():
    """Trained on the prompts and fillers that ship."""
    lines = (TEXTS / "natural.jsonl").read_text(encoding="utf-8").splitlines()
    return fit_scorer([json.loads(line)["text"] for line in lines], wordings(False).fillers)


@pytest.fixture(scope="module")
def hidden():
    """Questions of one line that training did not see, each in the middle of long texts that it did
    not see either."""
    natural = [prompt for prompt in read_prompts() if prompt.kind == "natural"]
    asked = [prompt.query.messages[-1].content for prompt in natural[::5]]
    short = [text for text in asked if "\n" not in text and len(text) <= 100]
    return {
        text: formed(text, "", IN_LONG_TEXT, wordings(True))[0].messages[-1].content
        for text in short
    }


def found(scorer, hidden):
    """The share of the questions that are left in the text to classify."""
    return np.mean([text in request_text("", long, scorer) for text, long in hidden.items()])


def test_a_question_in_the_middle_of_a_long_text_survives(scorer, hidden):
    """Mostly, and to the letter; without a trained scorer it is lost."""
    assert len(hidden) >= 50
    assert found(scorer, hidden) >= 0.65
    assert found(SegmentScorer.neutral(), hidden) < 0.2


def test_a_request_scores_higher_than_a_log(scorer):
    """The scorer knows words of requests, and of texts that are none."""
    request = scorer.score("How many orders did we get last week?")
    assert request > 0
    assert request > scorer.score("[mailer] INFO Queued report for 11 recipients") + 0.5


def test_the_same_texts_give_the_same_scorer():
    """Training is reproducible."""
    one, other = (fit_scorer(["how many?", "play it"], ["log line\nother"]) for _ in range(2))
    assert np.array_equal(one.weights, other.weights)
