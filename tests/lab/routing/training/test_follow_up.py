"""Follow-ups: the utterances that ship, and the fit on them."""

import json

import numpy as np
import pytest

from lab.routing.training.follow_up import Utterance, fit_follow_up, read_utterances
from router.errors import DataError, TrainingError


@pytest.fixture(scope="module")
def shipped():
    return read_utterances()


def opening(utterance):
    return tuple(utterance.text.lower().replace(",", "").split()[:2])


def cloud(center, count=40, seed=0):
    """Vectors of length 1 around a point."""
    drawn = np.random.default_rng(seed).normal(0, 0.05, (count, 3)) + np.array(center)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


LEAN, ALONE, PROMPT = (1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)
LEANS = np.repeat([True, False], 40)
NONE = np.zeros((0, 3), np.float32)


@pytest.fixture
def utterances():
    return np.concatenate([cloud(LEAN), cloud(ALONE, seed=1)])


@pytest.mark.parametrize("split", ["train", "test"])
def test_both_kinds_are_in_both_splits(shipped, split):
    """Training and test have a hundred of each kind at least."""
    kinds = [utterance.leans for utterance in shipped if utterance.split == split]
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
    path.write_text(json.dumps({"text": "and now?", "leans": True, "split": "train"}))
    assert read_utterances(path) == [Utterance("and now?", True, "train")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "a", "leans": 1, "split": "train"}, "leans is 1; it must be true or false"),
        ({"text": "a", "leans": True, "split": "dev"}, "no split 'dev'; allowed: train, test"),
        ({"leans": True, "split": "train"}, "text is None; it must be text"),
    ],
    ids=["leans", "split", "text"],
)
def test_a_faulty_utterance_is_refused(tmp_path, row, message):
    """The error names the line, the value, and what is allowed."""
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(DataError, match=f"own.jsonl:1: {message}"):
        read_utterances(path)


def test_leaning_utterances_are_found(utterances):
    """New vectors are told by what they are near to."""
    follow_up = fit_follow_up(utterances, LEANS, cloud(PROMPT), cloud(PROMPT, seed=2))
    assert follow_up.leans(cloud(LEAN, seed=3)).all()
    assert not follow_up.leans(np.concatenate([cloud(ALONE, seed=4), cloud(PROMPT, seed=5)])).any()


def test_a_fit_needs_no_prompts(utterances):
    """The utterances alone make one too."""
    follow_up = fit_follow_up(utterances, LEANS, NONE, NONE)
    assert follow_up.leans(utterances).tolist() == LEANS.tolist()


def test_many_prompts_do_not_drown_the_utterances_that_stand_alone():
    """What looks like leaning and stands alone weighs as much as all prompts together."""
    near = np.concatenate([cloud((1, 0.2, 0)), cloud((1, -0.2, 0), seed=1)])
    few, many = cloud(PROMPT, 40, seed=2), cloud(PROMPT, 4000, seed=2)
    found = [fit_follow_up(near, LEANS, prompts, NONE).leans(near) for prompts in (few, many)]
    assert np.mean(found[1] == LEANS) == pytest.approx(np.mean(found[0] == LEANS), abs=0.05)


def test_few_held_out_prompts_are_taken_for_leaning_ones(utterances):
    """The threshold rises until at most 15 of 1,000 held-out prompts lean."""
    held_out = np.concatenate([cloud(PROMPT, 950, seed=2), cloud(LEAN, 50, seed=3)])
    without = fit_follow_up(utterances, LEANS, cloud(PROMPT), NONE)
    follow_up = fit_follow_up(utterances, LEANS, cloud(PROMPT), held_out)
    assert without.leans(held_out).sum() == 50
    assert follow_up.leans(held_out).sum() == 15


def test_held_out_prompts_do_not_lower_the_threshold(utterances):
    """Prompts far from leaning leave it where the two kinds are equally likely."""
    follow_ups = (
        fit_follow_up(utterances, LEANS, cloud(PROMPT), held_out)
        for held_out in (NONE, cloud(PROMPT, seed=2))
    )
    assert len({follow_up.bias for follow_up in follow_ups}) == 1


@pytest.mark.parametrize("prompts", [NONE, cloud(ALONE, 7)], ids=["no prompts", "prompts"])
def test_both_kinds_weigh_the_same(prompts):
    """However many rows each has, what lies half way between them is undecided."""
    vectors = np.concatenate([cloud(LEAN, 60), cloud(ALONE, 20, seed=1)])
    follow_up = fit_follow_up(vectors, np.arange(80) < 60, prompts, NONE)
    half_way = np.array([0.5, 0.5, 0])
    assert follow_up.weights @ half_way + follow_up.bias == pytest.approx(0, abs=0.1)


def test_the_same_rows_give_the_same_fit(utterances):
    """Two fits agree in every bit."""
    one, other = (
        fit_follow_up(utterances, LEANS, cloud(PROMPT), cloud(PROMPT, seed=2)) for _ in range(2)
    )
    assert np.array_equal(one.weights, other.weights)
    assert one.bias == other.bias


@pytest.mark.parametrize("leans", [True, False])
def test_utterances_of_one_kind_are_refused(utterances, leans):
    """There is nothing to tell apart in them."""
    with pytest.raises(TrainingError, match=r"of 80 utterances (80|0) lean; there must be both"):
        fit_follow_up(utterances, np.full(80, leans), NONE, NONE)
