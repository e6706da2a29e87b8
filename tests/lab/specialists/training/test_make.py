"""From a niche to a specialist: what can be wrong with its rows is found before training."""

from dataclasses import replace
from pathlib import Path

import pytest

from deployments.models.adapters import load_adapter
from lab.specialists.errors import RecipeError
from lab.specialists.evaluation.score import evaluate
from lab.specialists.niche import Example
from lab.specialists.recipe import TrainConfig
from lab.specialists.training.make import make_specialist, require_lengths
from lab.specialists.training.workspace import Workspace
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import make_niche

CONFIG = TrainConfig(rank=4, learning_rate=0.02, batch_size=4, epochs=8, threads=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    base = save_tiny_model(tmp_path_factory.mktemp("base"))
    return Workspace("org/tiny", base, Path("unused"), tmp_path_factory.mktemp("work"))


def test_a_specialist_is_made_graded_and_published(place: Workspace, tmp_path: Path) -> None:
    """What it is worth beside the base model is known, and said."""
    made = make_specialist(make_niche(), place, [CONFIG], tmp_path / "toy", test_rows=12)

    assert load_adapter(str(tmp_path / "toy")).base == "org/tiny"
    assert made.score.examples == made.base_score.examples == 12
    assert made.clearly_better
    assert made.sentence().startswith("quality 1.000 [0.758, 1.000] on 12 test rows; the base mod")
    assert made.hardware.startswith(("1 CPU core ", "NVIDIA"))


def test_what_is_graded_is_what_ships(place: Workspace, tmp_path: Path) -> None:
    """Weights that vanish at half precision, behind an enormous scale, leave the base model."""
    config = replace(CONFIG, alpha=6 * 10**8, learning_rate=5e-10)
    elsewhere = replace(place, work_dir=tmp_path / "work")

    made = make_specialist(make_niche(), elsewhere, [config], tmp_path / "toy")

    trained = evaluate(
        make_niche(), place.base_dir, tmp_path / "work" / "stage-1" / "adapter", place.data_dir
    )
    assert (trained.quality, made.score.quality) == (1, made.base_score.quality)
    assert made.base_score.quality < 1


def test_what_is_no_better_is_said_not_to_be(place: Workspace, tmp_path: Path) -> None:
    """Two rows, seen once, teach nothing: the intervals overlap."""
    config = replace(CONFIG, max_examples=2, epochs=1, learning_rate=1e-6)
    elsewhere = replace(place, work_dir=tmp_path / "work")

    made = make_specialist(make_niche(), elsewhere, [config], tmp_path / "toy")

    assert not made.clearly_better


def test_rows_that_do_not_fit_are_listed(place: Workspace) -> None:
    """By their place in the file, whatever the order of training."""
    rows = [Example("say" * n, "yes", origin=f"mine.jsonl, row {n}") for n in range(1, 40)]

    with pytest.raises(RecipeError) as refused:
        require_lengths(make_niche(rows), place, 100)

    said = str(refused.value).splitlines()
    assert "max_length_tokens=100" in said[0]
    assert [line.split(":")[0] for line in said] == [f"mine.jsonl, row {n}" for n in range(28, 40)]


def test_a_test_row_needs_room_for_the_longest_answer(place: Workspace) -> None:
    """It is asked, not learnt: whatever the model says must fit."""
    prompt = len("s:say it.!u:deny ac!a:")
    require_lengths(make_niche(), place, prompt + 8)

    with pytest.raises(RecipeError, match=rf"{prompt} .*\b8\b.*max_length_tokens={prompt + 7}"):
        require_lengths(make_niche(), place, prompt + 7)


def test_the_context_is_the_base_models(place: Workspace) -> None:
    """As its own configuration says."""
    assert place.context_tokens == 512
