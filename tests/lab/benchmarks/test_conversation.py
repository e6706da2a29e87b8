"""The comparison of strategies: what each is right about, on a toy router."""

import numpy as np
import pytest

from deployments.protocol import Message
from lab.benchmarks.conversation import Ablation, Outcome, ablation
from lab.benchmarks.dialogues import Dialogue
from router.artifact import load_artifact
from router.conversation import FollowUpDetector
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
]


@pytest.fixture(scope="module")
def encoder():
    return HashingEncoder()


@pytest.fixture(scope="module")
def found(trained, encoder):
    [vector] = encoder.encode([AGAIN]).vectors
    follow_up = FollowUpDetector(np.asarray(vector, np.float32), -0.9)
    return ablation(DIALOGUES, load_artifact(trained[0], encoder), encoder, follow_up)


def outcome(found, strategy):
    [one] = [of for of in found.outcomes if of.strategy == strategy]
    return one


def test_the_last_message_alone_loses_follow_ups(found):
    """It is right about moves and wrong about follow-ups, for one text each."""
    one = outcome(found, "last message")
    assert one.right == {"follow-up": 0.0, "move": 1.0}
    assert one.encoded == 1


def test_leaning_words_keep_their_specialist(found):
    """Looking back is right about both, and encodes one text more for each follow-up."""
    one = outcome(found, "leaning")
    assert one.right == {"follow-up": 1.0, "move": 1.0}
    assert one.encoded == pytest.approx(5 / 3)


def test_every_strategy_is_tried_on_every_kind(found):
    """The kinds are counted, and each strategy has a figure for each."""
    assert found.kinds == {"follow-up": 2, "move": 1}
    assert all(set(of.right) == set(found.kinds) for of in found.outcomes)


def test_the_mean_is_over_kinds():
    """A kind counts alike, however many conversations it has."""
    assert Outcome("any", {"a": 1.0, "b": 0.5}, 1.0).mean == 0.75


def test_the_table_has_a_line_per_kind_and_a_column_per_strategy():
    """Below the kinds stand their mean and the cost."""
    shown = Ablation({"a": 3, "b": 2}, (Outcome("last", {"a": 1.0, "b": 0.5}, 1.25),)).markdown()
    assert shown == (
        "| conversation | rows | last |\n| --- | --- | --- |\n| a | 3 | 1.000 |\n"
        "| b | 2 | 0.500 |\n| mean over kinds |  | 0.750 |\n| texts encoded |  | 1.25 |\n"
    )
