"""Word problems of the project's own: the numbers that a question does not need are part of it."""

import re

from deployments.calculator import calculate
from deployments.niches.math import MATH
from deployments.niches.stories import read_stories, told

_NUMBER = re.compile(r"\d+")


def test_a_seed_gives_the_same_problems() -> None:
    """The recipe can be run again; another seed draws other numbers."""
    assert list(told(200, seed=3)) == list(told(200, seed=3))
    assert list(told(200, seed=3)) != list(told(200, seed=4))


def test_every_result_is_a_whole_number_above_zero() -> None:
    """Nobody is left with a share of a marble."""
    for problem, expression in told(600, seed=0):
        value = calculate(expression)
        assert value is not None, problem
        assert value > 0, problem
        assert value.denominator == 1, problem


def test_an_equation_uses_the_numbers_of_its_problem_alone() -> None:
    """What is asked can be worked out from what is told."""
    for problem, expression in told(600, seed=0):
        assert set(_NUMBER.findall(expression)) <= set(_NUMBER.findall(problem)), problem


def test_many_problems_name_a_number_that_is_not_needed() -> None:
    """That is what they are for: a model must read which numbers are asked about."""
    told_all = list(told(600, seed=0))
    spare = [p for p, e in told_all if set(_NUMBER.findall(p)) - set(_NUMBER.findall(e))]
    assert len(spare) > len(told_all) / 2


def test_a_story_is_asked_about_in_several_ways() -> None:
    """The same story with another question has another answer."""
    _, stories = read_stories()
    expressions = [set(story.ask.values()) for story in stories]
    assert sum(len(of) > 1 for of in expressions) > len(stories) * 0.8


def test_no_slot_is_left_open() -> None:
    """Every name, thing and number is filled in."""
    assert not [problem for problem, _ in told(600, seed=1) if set("{}") & set(problem)]


def test_a_story_is_answered_like_the_other_rows() -> None:
    """An equation with its sign at the end, which the calculator completes."""
    assert MATH.practice is not None
    assert all(MATH.complete(example.answer).strip() for example in MATH.practice())
