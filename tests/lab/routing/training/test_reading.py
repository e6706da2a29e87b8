"""Which words of labelled rows count."""

import numpy as np
import pytest

from deployments.protocol import Message
from lab.routing.data.dataset import LabelledQuery
from lab.routing.data.rows import Row, separate
from lab.routing.training.reading import deciding_words, learn_leaning
from router.conversation import FollowUp
from router.errors import TrainingError
from router.types import Query
from tests.router.fakes import WIDTH, HashingEncoder, toy_rows

ENCODER = HashingEncoder()


def leaning(text):
    """Takes the words of a text for leaning ones, and no others."""
    return FollowUp(ENCODER.encode([text]).vectors[0], bias=-0.9)


def said(*turns, domain="sql"):
    messages = tuple(
        Message(role, text)
        for turn in turns
        for role, text in (("user", turn), ("assistant", "done"))
    )
    return LabelledQuery(Query(messages[:-1]), domain, "group")


def test_a_label_is_about_what_a_follow_up_leans_on():
    """Of a conversation that ends in leaning words, the words before count."""
    rows = [said("count the rows", "and for spain"), said("play a song"), Row("hello", "x", "g")]
    found = deciding_words(rows, ENCODER, leaning("and for spain"))
    assert found.texts == ("count the rows", "play a song", "hello")
    assert (found.vectors == ENCODER.encode(found.texts).vectors).all()


def test_a_row_without_words_of_a_user_is_refused():
    """There would be nothing to learn from."""
    empty = LabelledQuery(Query((Message("system", "be kind"),)), "sql", "group")
    with pytest.raises(TrainingError, match="1 rows have no text"):
        deciding_words([empty, said("play")], ENCODER, leaning("x"))


def test_leaning_is_learnt_beside_the_prompts_at_hand():
    """Few of the prompts that open a conversation are taken for leaning ones."""
    rows = toy_rows()
    vectors = ENCODER.encode([row.text for row in rows]).vectors
    found = learn_leaning(rows, ENCODER, separate(rows, vectors, 1.01))
    assert found.weights.shape == (WIDTH,)
    assert np.mean(found.leans(vectors)) < 0.05
