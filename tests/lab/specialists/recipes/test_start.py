"""Training that starts from an adapter, in fewer layers, and with a teacher."""

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
from deployments.models.errors import ModelError
from deployments.models.load import load_model
from lab.specialists.recipes.batches import IGNORED, Batch, batches, encode
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.errors import RecipeError
from lab.specialists.recipes.run import Run
from lab.specialists.recipes.start import start_weights
from lab.specialists.recipes.train import train
from tests.deployments.adapters import save_adapter
from tests.deployments.terminal import Gone
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import make_niche, toy_examples

CONFIG = TrainConfig(
    rank=2, alpha=4, learning_rate=0.02, batch_size=4, epochs=4, evaluate_every_steps=5, threads=1
)
"""Rank and alpha are those of `save_adapter`; four epochs of 24 rows: 24 steps."""

NO_DATA = Path("unused")
LAYERS = 4


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), layers=LAYERS)


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    """A specialist with all layers, that was trained."""
    work = tmp_path_factory.mktemp("whole")
    train(make_niche(), base, NO_DATA, work, CONFIG)
    return load_adapter(str(work / "adapter"))


def weights(adapter: Adapter) -> dict[str, torch.Tensor]:
    return load_file(adapter.path / "adapter_model.safetensors")


def of_layer(tensors: dict[str, torch.Tensor], layer: int) -> dict[str, torch.Tensor]:
    mark = f".layers.{layer}."
    return {name.replace(mark, "."): value for name, value in tensors.items() if mark in name}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("kept", [(0, 1, 2, 3), (0, 3), (2,)])
def test_each_kept_layer_starts_with_its_own_weights(whole: Adapter, kept: tuple[int, ...]) -> None:
    """What the adapter learnt for a layer goes with it to its new number."""
    found = start_weights(whole, replace(CONFIG, layers=kept), LAYERS)

    for new, old in enumerate(kept):
        assert of_layer(found, new)
        assert same(of_layer(found, new), of_layer(weights(whole), old))
    assert len(found) == len(weights(whole)) * len(kept) // LAYERS


def test_an_adapter_of_fewer_layers_may_lose_more(base: Path, tmp_path: Path) -> None:
    """Layers are named as the base counts them, however often some were dropped."""
    path = save_adapter(tmp_path, base, seed=1, layers=[0, 1, 3])
    pruned = load_adapter(str(path))

    found = start_weights(pruned, replace(CONFIG, layers=(0, 3)), LAYERS)

    assert same(of_layer(found, 0), of_layer(weights(pruned), 0))
    assert same(of_layer(found, 1), of_layer(weights(pruned), 2))
    assert not of_layer(found, 2)


def test_a_layer_that_was_dropped_cannot_start(base: Path, tmp_path: Path) -> None:
    """Nothing was learnt for it: the error names it and what there is."""
    pruned = load_adapter(str(save_adapter(tmp_path, base, layers=[0, 1, 3])))

    with pytest.raises(RecipeError, match=r"no layers \[2\]; it keeps \[0, 1, 3\]"):
        start_weights(pruned, CONFIG, LAYERS)


@pytest.mark.parametrize("other", [replace(CONFIG, rank=4), replace(CONFIG, alpha=8)])
def test_another_rank_or_alpha_is_refused(whole: Adapter, other: TrainConfig) -> None:
    """The weights would not fit, or mean something else."""
    with pytest.raises(RecipeError, match=r"has rank 2 and alpha 4, the run has"):
        start_weights(whole, other, LAYERS)


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


def test_a_teacher_adds_its_distance(base: Path, whole: Adapter, batch: Batch) -> None:
    """The loss grows by the divergence of the predictions at the answers, times its weight."""
    pruned = replace(CONFIG, layers=(0, 3), distil=0.5)
    run = run_of(base, pruned, whole)
    teacher = load_model(base, whole, torch.bfloat16)

    with torch.no_grad():
        added = float(run.loss(batch, teacher)) - float(run.loss(batch))
        counted = batch.targets != IGNORED
        mine, theirs = (
            model.lm_head(
                model.model(
                    input_ids=batch.ids, attention_mask=batch.mask
                ).last_hidden_state.flatten(0, 1)[batch.positions]
            )[counted]
            .float()
            .softmax(-1)
            for model in (run.model.base_model.model, teacher)
        )
    distance = (theirs * (theirs.log() - mine.log())).sum(-1).mean()
    assert added == pytest.approx(0.5 * float(distance), rel=1e-3)
    assert added > 0.1


def test_a_teacher_at_the_same_place_adds_nothing(base: Path, whole: Adapter, batch: Batch) -> None:
    """At full depth and before any step there is nothing to learn from it."""
    run = run_of(base, replace(CONFIG, distil=1.0), whole)
    teacher = load_model(base, whole, torch.bfloat16)

    with torch.no_grad():
        added = float(run.loss(batch, teacher)) - float(run.loss(batch))

    assert added == pytest.approx(0, abs=0.01)


def test_distilling_changes_what_is_learnt(base: Path, whole: Adapter, tmp_path: Path) -> None:
    """The teacher takes part in the steps."""
    short = replace(CONFIG, layers=(0, 3), epochs=1)
    train(make_niche(), base, NO_DATA, tmp_path / "rows", short, whole)
    taught = replace(short, distil=5.0)
    train(make_niche(), base, NO_DATA, tmp_path / "taught", taught, whole)

    alone, with_it = (load_adapter(str(tmp_path / of / "adapter")) for of in ("rows", "taught"))
    assert not same(weights(alone), weights(with_it))


def test_distilling_needs_an_adapter(base: Path) -> None:
    """Without one there is no teacher."""
    with pytest.raises(RecipeError, match="distil needs an adapter to start from"):
        run_of(base, replace(CONFIG, distil=1.0), None)


def test_fewer_layers_are_trained_and_loaded(base: Path, whole: Adapter, tmp_path: Path) -> None:
    """What is left has its weights, its card says which layers, and it loads as any adapter."""
    config = replace(CONFIG, layers=(0, 1, 3))
    result = train(make_niche(), base, NO_DATA, tmp_path, config, whole)

    healed = load_adapter(str(tmp_path / "adapter"))
    assert healed.layers == (0, 1, 3)
    assert len(weights(healed)) == len(weights(whole)) * 3 // 4
    assert load_model(base, healed, torch.float32).config.num_hidden_layers == 3
    assert result.validation_loss < 1


def test_layers_that_the_base_lacks_are_refused(base: Path, tmp_path: Path) -> None:
    """The error is that of the model, before any step."""
    with pytest.raises(ModelError, match="0 to 3"):
        train(make_niche(), base, NO_DATA, tmp_path, replace(CONFIG, layers=(0, 9)))


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

    with pytest.raises(RecipeError, match="written with another start_from"):
        train(make_niche(), base, NO_DATA, tmp_path, CONFIG)


def test_a_cut_start_ends_as_an_uncut_one(base: Path, whole: Adapter, tmp_path: Path) -> None:
    """Layers and start are the same when the run goes on."""
    config = replace(CONFIG, layers=(0, 2, 3), patience=100)
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
