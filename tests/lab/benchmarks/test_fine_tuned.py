"""Fine-tuning, on a model of a few kilobytes."""

import numpy as np
import pytest

from lab.benchmarks.fine_tuned import Labelled, Recipe, batches, fine_tune
from tests.router.encoders.tiny_bert import HIDDEN, tiny_bert

RECIPE = Recipe(learning_rates=(3e-3,), epochs=4, batch=8, max_tokens=16)


def letters(count, seed):
    """Texts of one class have an `a` among their letters, of the other a `b`."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=count)
    texts = [
        " ".join(["ab"[label], *rng.choice(list("xyz"), rng.integers(1, 6))]) for label in truth
    ]
    return Labelled(texts, truth)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("tuned") / "bert")


def test_what_tells_the_classes_apart_is_learnt(folder):
    """Rows that training did not see are told apart; the vectors have length 1."""
    model = fine_tune(folder, letters(160, 0), letters(60, 1), RECIPE)
    test = letters(100, 2)
    assert (model.probabilities(test.texts).argmax(axis=1) == test.truth).mean() > 0.9
    logits, vectors = model.encode(test.texts)
    assert logits.shape == (100, 2)
    assert vectors.shape == (100, HIDDEN)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_validation_chooses_the_rate_and_the_epoch(folder):
    """What is returned has the lowest log loss of all epochs that were told."""
    said = []
    recipe = Recipe(learning_rates=(1e-5, 3e-3), epochs=2, batch=8, max_tokens=16)
    validation = letters(60, 1)
    model = fine_tune(folder, letters(160, 0), validation, recipe, said.append)
    losses = [float(line.split("log loss ")[1].split(",")[0]) for line in said]
    found = model.probabilities(validation.texts)[np.arange(60), validation.truth]
    assert len(losses) == 4
    assert -np.log(found).mean() == pytest.approx(min(losses), abs=1e-3)


def test_a_text_is_encoded_alike_in_any_company(folder):
    """Padding changes nothing."""
    model = fine_tune(folder, letters(16, 0), letters(8, 1), Recipe((1e-4,), epochs=1, batch=8))
    alone, _ = model.encode(["a x"])
    among, _ = model.encode(["b y z x y z x", "a x"])
    assert among[1] == pytest.approx(alone[0], abs=1e-4)


def test_a_recipe_that_trains_nothing_is_refused(folder):
    """The error shows the recipe."""
    with pytest.raises(ValueError, match=r"learning_rates=\(\).*learning rate"):
        fine_tune(folder, letters(8, 0), letters(8, 1), Recipe(learning_rates=()))


def test_batches_hold_every_row_once_and_rows_of_like_length():
    """Lengths within a batch are near each other; the order of the batches is drawn."""
    lengths = np.random.default_rng(0).integers(5, 100, size=1000)
    found = batches(lengths.tolist(), 32, np.random.default_rng(1))
    assert sorted(row for batch in found for row in batch) == list(range(1000))
    spreads = [np.ptp(lengths[batch]) for batch in found]
    assert np.median(spreads) < 10
    assert found != batches(lengths.tolist(), 32, np.random.default_rng(2))
