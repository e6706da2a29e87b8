"""Grading: rules, and what clients say."""

from pathlib import Path

import pytest

from deployments.spec import ModelSpec
from gateway.config import GradingSection
from gateway.evidence.grading import Grading, UnusableCorrection, default_grader
from gateway.evidence.store import AnswerFeedback, AnswerPair, ModelAnswer
from router.selection.record import Version

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
    with pytest.raises(UnusableCorrection, match="the grader 'json' cannot use it"):
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
