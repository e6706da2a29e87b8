"""General knowledge: its questions, their form, and that their own answers are right."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.datasets.general import questions
from lab.specialists.niches.niche import Example
from router.grading.registry import GRADERS


@pytest.fixture(scope="module")
def found() -> Mapping[str, list[Example]]:
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    return questions(Path(where))


@pytest.mark.data
def test_every_questions_own_answer_is_right(found: Mapping[str, list[Example]]) -> None:
    """By the grader that it is listed under."""
    for grader, examples in found.items():
        assert len(examples) > 2000
        wrong = [of for of in examples if not GRADERS[grader](of.answer, of.reference).hits]
        assert wrong == []


@pytest.mark.data
def test_options_are_lettered_and_the_answer_is_one_of_them(
    found: Mapping[str, list[Example]],
) -> None:
    """The question says how to answer, as a user would."""
    for example in found["choice"]:
        assert f"\n{example.answer}. " in example.prompt
        assert example.prompt.endswith("\nAnswer with the letter alone.")
