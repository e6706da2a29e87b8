"""One training run: it may start from an adapter, and goes on only from its own checkpoint."""

import io
import random
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoTokenizer

from deployments.models.adapters import Adapter, load_adapter
from lab.specialists.errors import RecipeError
from lab.specialists.merged_model import load_model
from lab.specialists.recipe import TrainConfig
from lab.specialists.training.batches import IGNORED, Batch, batches, encode
from lab.specialists.training.run import Run
from lab.specialists.training.train import train
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import make_niche, toy_examples
from tests.lab.specialists.training.terminal import Gone

CONFIG = TrainConfig(
    rank=2, alpha=4, learning_rate=0.02, batch_size=4, epochs=4, evaluate_every_steps=5, threads=1
)
"""Four epochs of 24 rows: 24 steps."""

NO_DATA = Path("unused")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    """A specialist that was trained."""
    work = tmp_path_factory.mktemp("whole")
    train(make_niche(), base, NO_DATA, work, CONFIG)
    return load_adapter(str(work / "adapter"))


def weights(adapter: Adapter) -> dict[str, torch.Tensor]:
    return load_file(adapter.path / "adapter_model.safetensors")


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("setting", ["rank", "alpha"])
def test_another_rank_or_alpha_is_refused(base: Path, whole: Adapter, setting: str) -> None:
    """The weights would not fit, or mean something else."""
    with pytest.raises(RecipeError, match=r"rank 2 and alpha 4.*\b8\b"):
        run_of(base, replace(CONFIG, **{setting: 8}), whole)


def run_of(base: Path, config: TrainConfig, start_from: Adapter | None) -> Run:
    return Run(make_niche(), base, config, 0, start_from)


@pytest.fixture(scope="module")
def batch(base: Path) -> Batch:
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = encode(toy_examples(8), tokenizer, "say it.", 512)
    return next(batches(rows, 8, 0, random.Random(0)))


@torch.no_grad()
def loss(run: Run, batch: Batch) -> float:
    return float(run.loss(batch))


def test_a_run_starts_where_the_adapter_ended(base: Path, whole: Adapter, batch: Batch) -> None:
    """Before any step it answers as the adapter does."""
    fresh, started = run_of(base, CONFIG, None), run_of(base, CONFIG, whole)

    served = load_model(base, whole, torch.float32)
    with torch.no_grad():
        hidden = served.model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state
        logits = served.lm_head(hidden.flatten(0, 1)[batch.positions])
        wanted = functional.cross_entropy(logits, batch.targets, ignore_index=IGNORED)
    assert loss(started, batch) == pytest.approx(float(wanted), abs=0.03)  # bfloat16 beside float32
    assert loss(started, batch) < loss(fresh, batch) / 2


def test_what_it_starts_from_is_kept_if_nothing_is_better(
    base: Path, whole: Adapter, tmp_path: Path
) -> None:
    """A rate that spoils a good adapter leaves the good one."""
    spoilt = replace(CONFIG, learning_rate=0.9, evaluate_every_steps=1, patience=2)
    train(make_niche(), base, NO_DATA, tmp_path, spoilt, whole)

    assert same(weights(load_adapter(str(tmp_path / "adapter"))), weights(whole))


def test_a_checkpoint_of_another_start_is_refused(
    base: Path, whole: Adapter, tmp_path: Path
) -> None:
    """A run goes on only from the adapter that it started from."""
    with redirect_stdout(Gone("step 10:")), pytest.raises(BrokenPipeError):
        train(make_niche(), base, NO_DATA, tmp_path, CONFIG, whole)

    with pytest.raises(RecipeError, match="start_from"):
        train(make_niche(), base, NO_DATA, tmp_path, CONFIG)


def test_a_cut_start_ends_as_an_uncut_one(base: Path, whole: Adapter, tmp_path: Path) -> None:
    """The initial weights are the same when the run goes on."""
    config = replace(CONFIG, patience=100)
    with redirect_stdout(Gone("step 10:")), pytest.raises(BrokenPipeError):
        train(make_niche(), base, NO_DATA, tmp_path / "cut", config, whole)
    for folder in ("cut", "uncut"):
        with redirect_stdout(io.StringIO()):
            train(make_niche(), base, NO_DATA, tmp_path / folder, config, whole)

    cut, uncut = (load_adapter(str(tmp_path / of / "adapter")) for of in ("cut", "uncut"))
    assert same(weights(cut), weights(uncut))


def test_a_run_that_was_cut_before_its_first_step_has_as_much_patience(
    base: Path, whole: Adapter, tmp_path: Path
) -> None:
    """What it starts from is looked at once: a second look would gain nothing, and be counted."""
    spoilt = replace(CONFIG, learning_rate=0.9, evaluate_every_steps=2, patience=2)
    with redirect_stdout(Gone("step 0:")), pytest.raises(BrokenPipeError):
        train(make_niche(), base, NO_DATA, tmp_path / "cut", spoilt, whole)
    cut, uncut = (
        train(make_niche(), base, NO_DATA, tmp_path / of, spoilt, whole) for of in ("cut", "uncut")
    )

    assert cut.steps == uncut.steps
