"""Figures of the layer that tells follow-ups."""

import numpy as np
import pytest

from lab.benchmarks.leaning import Leaning, leaning
from lab.routing.follow_up import Utterance
from lab.routing.rows import Row
from router.conversation import FollowUpDetector
from router.types import GENERAL
from tests.router.fakes import HashingEncoder

FIGURES = Leaning(4, 0.5, 0.6667, 0.75, 10, 0.1, ("a | b",))


@pytest.fixture(scope="module")
def found():
    encoder = HashingEncoder()
    [vector] = encoder.encode(["again"]).vectors
    utterances = [
        Utterance("again", True, "test"),
        Utterance("once more", True, "test"),
        Utterance("hello", False, "test"),
        Utterance("again again", False, "test"),
    ]
    prompts = [Row(text, GENERAL, text) for text in ("again", "poem", "story", "why")]
    return leaning(
        utterances, prompts, encoder, FollowUpDetector(np.asarray(vector, np.float32), -0.9)
    )


def test_figures_are_shares_of_the_utterances(found):
    """One of two that lean is found, and one of two that are called leaning leans."""
    assert (found.utterances, found.accuracy, found.precision, found.recall) == (4, 0.5, 0.5, 0.5)


def test_prompts_that_are_called_leaning_are_false_alarms(found):
    """All prompts stand alone, so every one that is called leaning is wrong."""
    assert (found.prompts, found.false_alarms) == (4, 0.25)


def test_mistakes_are_shown(found):
    """The utterances that are told wrong are kept, of both kinds."""
    assert found.mistakes == ("once more", "again again")


def test_the_table_says_what_each_figure_is_of():
    """False alarms are of the prompts, the others of the utterances; texts are escaped."""
    assert FIGURES.markdown() == (
        "| figure | of | value |\n| --- | --- | --- |\n| accuracy | 4 | 0.5000 |\n"
        "| precision | 4 | 0.6667 |\n| recall | 4 | 0.7500 |\n| false alarms | 10 | 0.1000 |\n\n"
        "- a \\| b\n"
    )
