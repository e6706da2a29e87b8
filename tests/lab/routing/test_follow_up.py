"""Follow-ups: the utterances that ship, and the fit on them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from deployments.protocol import Message
from lab.routing.dataset import LabelledQuery
from lab.routing.follow_up import (
    Utterance,
    deciding_texts,
    fit_follow_up,
    learn_follow_ups,
    read_utterances,
)
from lab.routing.rows import Row, separate
from router.conversation import FollowUpDetector, Reading
from router.errors import DataError, TrainingError
from router.types import Query
from tests.router.fakes import WIDTH, HashingEncoder, toy_rows

ENCODER = HashingEncoder()


@pytest.fixture(scope="module")
def shipped():
    return read_utterances()


def opening(utterance):
    return tuple(utterance.text.lower().replace(",", "").split()[:2])


def cloud(center, count=40, seed=0):
    """Vectors of length 1 around a point."""
    drawn = np.random.default_rng(seed).normal(0, 0.05, (count, 3)) + np.array(center)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


FOLLOW_UP, ALONE, PROMPT = (1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)
TRUTH = np.repeat([True, False], 40)
NONE = np.zeros((0, 3), np.float32)


@pytest.fixture
def utterances():
    return np.concatenate([cloud(FOLLOW_UP), cloud(ALONE, seed=1)])


@pytest.mark.parametrize("split", ["train", "test"])
def test_both_kinds_are_in_both_splits(shipped, split):
    """Training and test have a hundred of each kind at least."""
    kinds = [utterance.is_follow_up for utterance in shipped if utterance.split == split]
    assert min(kinds.count(True), kinds.count(False)) >= 100


def test_no_utterance_comes_twice(shipped):
    """Whatever their case and punctuation, texts differ."""
    texts = [utterance.text.lower().strip(" ?.!") for utterance in shipped]
    assert len(set(texts)) == len(texts)


def test_test_utterances_begin_otherwise_than_training_ones(shipped):
    """The first two words of a test row begin no training row."""
    openings = {opening(utterance) for utterance in shipped if utterance.split == "train"}
    shared = [of.text for of in shipped if of.split == "test" and opening(of) in openings]
    assert shared == []


def test_utterances_are_read_from_a_file(tmp_path):
    """Each line gives one utterance."""
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps({"text": "and now?", "is_follow_up": True, "split": "train"}))
    assert read_utterances(path) == [Utterance("and now?", True, "train")]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"text": "a", "is_follow_up": 1, "split": "train"}, "is_follow_up"),
        (
            {"text": "a", "is_follow_up": True, "split": "dev"},
            "no split 'dev'",
        ),
        ({"is_follow_up": True, "split": "train"}, "text is None"),
    ],
    ids=["is_follow_up", "split", "text"],
)
def test_a_faulty_utterance_is_refused(tmp_path, row, named):
    """The error names the line, the value, and what is allowed."""
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(DataError, match=f"own.jsonl:1: {named}"):
        read_utterances(path)


def test_follow_ups_are_found(utterances):
    """New vectors are told by what they are near to."""
    follow_up = fit_follow_up(utterances, TRUTH, cloud(PROMPT), cloud(PROMPT, seed=2))
    assert follow_up.is_follow_up(cloud(FOLLOW_UP, seed=3)).all()
    assert not follow_up.is_follow_up(
        np.concatenate([cloud(ALONE, seed=4), cloud(PROMPT, seed=5)])
    ).any()


def test_a_fit_needs_no_prompts(utterances):
    """The utterances alone make one too."""
    follow_up = fit_follow_up(utterances, TRUTH, NONE, NONE)
    assert follow_up.is_follow_up(utterances).tolist() == TRUTH.tolist()


def test_many_prompts_do_not_drown_the_utterances_that_stand_alone():
    """What looks like a follow-up and stands alone weighs as much as all prompts together."""
    near = np.concatenate([cloud((1, 0.2, 0)), cloud((1, -0.2, 0), seed=1)])
    few, many = cloud(PROMPT, 40, seed=2), cloud(PROMPT, 4000, seed=2)
    found = [
        fit_follow_up(near, TRUTH, prompts, NONE).is_follow_up(near) for prompts in (few, many)
    ]
    assert np.mean(found[1] == TRUTH) == pytest.approx(np.mean(found[0] == TRUTH), abs=0.05)


def test_few_held_out_prompts_are_taken_for_follow_ups(utterances):
    """The threshold rises until at most 15 of 1,000 held-out prompts are above it."""
    held_out = np.concatenate([cloud(PROMPT, 950, seed=2), cloud(FOLLOW_UP, 50, seed=3)])
    without = fit_follow_up(utterances, TRUTH, cloud(PROMPT), NONE)
    follow_up = fit_follow_up(utterances, TRUTH, cloud(PROMPT), held_out)
    assert without.is_follow_up(held_out).sum() == 50
    assert follow_up.is_follow_up(held_out).sum() == 15


def test_held_out_prompts_do_not_lower_the_threshold(utterances):
    """Prompts far from follow-ups leave it where the two kinds are equally likely."""
    follow_ups = (
        fit_follow_up(utterances, TRUTH, cloud(PROMPT), held_out)
        for held_out in (NONE, cloud(PROMPT, seed=2))
    )
    assert len({follow_up.bias for follow_up in follow_ups}) == 1


@pytest.mark.parametrize("prompts", [NONE, cloud(ALONE, 7)], ids=["no prompts", "prompts"])
def test_both_kinds_weigh_the_same(prompts):
    """However many rows each has, what lies half way between them is undecided."""
    vectors = np.concatenate([cloud(FOLLOW_UP, 60), cloud(ALONE, 20, seed=1)])
    follow_up = fit_follow_up(vectors, np.arange(80) < 60, prompts, NONE)
    half_way = np.array([0.5, 0.5, 0])
    assert follow_up.weights @ half_way + follow_up.bias == pytest.approx(0, abs=0.1)


def test_the_same_rows_give_the_same_fit(utterances):
    """Two fits agree in every bit."""
    one, other = (
        fit_follow_up(utterances, TRUTH, cloud(PROMPT), cloud(PROMPT, seed=2)) for _ in range(2)
    )
    assert np.array_equal(one.weights, other.weights)
    assert one.bias == other.bias


@pytest.mark.parametrize("kind", [True, False])
def test_utterances_of_one_kind_are_refused(utterances, kind):
    """There is nothing to tell apart in them."""
    with pytest.raises(TrainingError, match=r"follow_ups\.jsonl"):
        fit_follow_up(utterances, np.full(80, kind), NONE, NONE)


def follow_up_is(text):
    """Takes a text for a follow-up, and no other."""
    return Reading(FollowUpDetector(ENCODER.encode([text]).vectors[0], bias=-0.9))


def said(*turns, domain="sql"):
    messages = tuple(
        Message(role, text)
        for turn in turns
        for role, text in (("user", turn), ("assistant", "done"))
    )
    return LabelledQuery(Query(messages[:-1]), domain, "group")


def test_a_label_is_about_the_turn_before_a_follow_up():
    """Of a conversation that ends in a follow-up, the turn before it counts."""
    rows = [said("count the rows", "and for spain"), said("play a song"), Row("hello", "x", "g")]
    found = deciding_texts(rows, ENCODER, follow_up_is("and for spain"))
    assert found.texts == ("count the rows", "play a song", "hello")
    assert (found.vectors == ENCODER.encode(found.texts).vectors).all()


def test_a_label_is_about_the_words_below_the_system_prompt_where_the_encoder_reads_it():
    """A training row is read as a request will be."""
    row = LabelledQuery(Query((Message("system", "be kind"), Message("user", "play"))), "x", "g")
    plain = follow_up_is("and")
    assert deciding_texts([row], ENCODER, plain).texts == ("play",)
    read = deciding_texts([row], ENCODER, replace(plain, reads_system=True))
    assert read.texts == ("System: be kind\nUser: play",)


def test_a_row_without_words_of_a_user_is_refused():
    """There would be nothing to learn from."""
    empty = LabelledQuery(Query((Message("system", "be kind"),)), "sql", "group")
    with pytest.raises(TrainingError, match=r"^1 rows"):
        deciding_texts([empty, said("play")], ENCODER, follow_up_is("x"))


def test_follow_ups_are_learnt_beside_the_prompts_at_hand():
    """Few of the prompts that open a conversation are taken for follow-ups."""
    rows = toy_rows()
    vectors = ENCODER.encode([row.text for row in rows]).vectors
    found = learn_follow_ups(rows, ENCODER, separate(rows, vectors, 1.01))
    assert found.weights.shape == (WIDTH,)
    assert np.mean(found.is_follow_up(vectors)) < 0.05
