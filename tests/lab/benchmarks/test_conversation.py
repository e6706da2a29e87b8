"""The comparison of strategies: what each is right about, on a toy router."""

from dataclasses import replace

import numpy as np
import pytest

from deployments.protocol import Message
from lab.benchmarks.conversation import (
    Ablation,
    FollowUpFigures,
    Outcome,
    ablation,
    follow_up_figures,
)
from lab.benchmarks.dialogues import Dialogue
from lab.routing.follow_up import Utterance
from lab.routing.rows import Row
from router.artifact import load_artifact
from router.classifier import RouteClassifier
from router.conversation import FollowUpDetector, Reading
from router.types import GENERAL, Query
from tests.router.fakes import HashingEncoder

SQL = "select query rows schema"
CHAT = "hello poem thanks story"
AGAIN = "furthermore furthermore"


def dialogue(kind, domain, *turns):
    return Dialogue(kind, Query(tuple(Message("user", turn) for turn in turns)), domain)


DIALOGUES = [
    dialogue("follow-up", "sql", SQL, AGAIN),
    dialogue("follow-up", "sql", CHAT, SQL, AGAIN),
    dialogue("move", GENERAL, SQL, CHAT),
    Dialogue(
        "system",
        Query((Message("system", f"{CHAT} {CHAT} {CHAT}"), Message("user", SQL))),
        GENERAL,
    ),
]


@pytest.fixture(scope="module")
def encoder():
    return HashingEncoder()


@pytest.fixture(scope="module")
def found(trained, encoder):
    [vector] = encoder.encode([AGAIN]).vectors
    reading = Reading(FollowUpDetector(np.asarray(vector, np.float32), -0.9), reads_system=True)
    classifier = load_artifact(trained[0], encoder)
    return ablation(
        DIALOGUES, RouteClassifier(encoder, replace(classifier.trained, reading=reading))
    )


def outcome(found, strategy):
    [one] = [of for of in found.outcomes if of.strategy == strategy]
    return one


def test_the_last_message_alone_loses_follow_ups(found):
    """It is right about moves, and wrong about follow-ups and tasks that the system sets."""
    assert outcome(found, "last message").right == {"follow-up": 0.0, "move": 1.0, "system": 0.0}


def test_what_is_served_is_right_about_all(found):
    """It looks back from follow-ups, and reads the system prompt."""
    assert outcome(found, "as served").right == {"follow-up": 1.0, "move": 1.0, "system": 1.0}


def test_without_the_system_prompt_its_task_is_lost(found):
    """All else is as served."""
    one = outcome(found, "without the system prompt")
    assert one.right == {"follow-up": 1.0, "move": 1.0, "system": 0.0}


def test_every_strategy_is_tried_on_every_kind(found):
    """The kinds are counted, and each strategy has a figure for each."""
    assert found.kinds == {"follow-up": 2, "move": 1, "system": 1}
    assert all(set(of.right) == set(found.kinds) for of in found.outcomes)


def test_the_mean_is_over_kinds():
    """A kind counts alike, however many conversations it has."""
    assert Outcome("any", {"a": 1.0, "b": 0.5}).mean == 0.75


def test_the_table_has_a_line_per_kind_and_a_column_per_strategy():
    """Below the kinds stands their mean."""
    shown = Ablation({"a": 3, "b": 2}, (Outcome("last", {"a": 1.0, "b": 0.5}),)).markdown()
    assert shown == (
        "| conversation | rows | last |\n| --- | --- | --- |\n| a | 3 | 1.000 |\n"
        "| b | 2 | 0.500 |\n| mean over kinds |  | 0.750 |\n"
    )


FIGURES = FollowUpFigures(4, 0.5, 0.6667, 0.75, 10, 0.1, ("a | b",))


@pytest.fixture(scope="module")
def figures():
    encoder = HashingEncoder()
    [vector] = encoder.encode(["again"]).vectors
    utterances = [
        Utterance("again", True, "test"),
        Utterance("once more", True, "test"),
        Utterance("hello", False, "test"),
        Utterance("again again", False, "test"),
    ]
    prompts = [Row(text, GENERAL, text) for text in ("again", "poem", "story", "why")]
    return follow_up_figures(
        utterances, prompts, encoder, FollowUpDetector(np.asarray(vector, np.float32), -0.9)
    )


def test_figures_are_shares_of_the_utterances(figures):
    """One of two that lean is found, and one of two that are called leaning leans."""
    assert (figures.utterances, figures.accuracy, figures.precision, figures.recall) == (
        4,
        0.5,
        0.5,
        0.5,
    )


def test_prompts_that_are_called_leaning_are_false_alarms(figures):
    """All prompts stand alone, so every one that is called leaning is wrong."""
    assert (figures.prompts, figures.false_alarms) == (4, 0.25)


def test_mistakes_are_shown(figures):
    """The utterances that are told wrong are kept, of both kinds."""
    assert figures.mistakes == ("once more", "again again")


def test_the_table_says_what_each_figure_is_of():
    """False alarms are of the prompts, the others of the utterances; texts are escaped."""
    assert FIGURES.markdown() == (
        "| figure | of | value |\n| --- | --- | --- |\n| accuracy | 4 | 0.5000 |\n"
        "| precision | 4 | 0.6667 |\n| recall | 4 | 0.7500 |\n| false alarms | 10 | 0.1000 |\n\n"
        "- a \\| b\n"
    )
