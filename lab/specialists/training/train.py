"""Trains a specialist: a LoRA adapter on every linear layer of the base model.

Progress is shown, each measurement of the validation loss writes a checkpoint, and an interrupted
run resumes from the last one. The same code runs on a CPU and on a GPU.

A recipe has stages: each continues from the previous stage's adapter, with its own settings. The
first starts far from a good solution. The later ones move around one, each with another row order,
and the mean of their final weights is better than any of them ("model soups",
Wortsman et al., 2022).
"""

import json
import math
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tqdm import tqdm
from transformers import AutoTokenizer

from deployments.models.adapters import CARD, WEIGHTS, Adapter, AdapterCard, load_adapter
from deployments.models.checksum import sha256_of
from lab.specialists.errors import RecipeError
from lab.specialists.niche import Niche
from lab.specialists.recipe import TrainConfig
from lab.specialists.training.batches import (
    Encoded,
    collate,
    draw_examples,
    encode,
    in_batches,
)
from lab.specialists.training.run import Run
from lab.specialists.training.workspace import Workspace


@dataclass(frozen=True)
class TrainResult:
    """A run's best validation loss (nats per answer token), steps, examples and seconds."""

    validation_loss: float
    steps: int
    examples: int
    seconds: float
    device: str


def _learning_rate(step: int, total: int, config: TrainConfig) -> float:
    warmup = max(1, int(total * config.warmup_share))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, total - warmup)
    return config.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share)))


def train(
    niche: Niche,
    base: Path,
    data_dir: Path,
    work_dir: Path,
    config: TrainConfig,
    start_from: Adapter | None = None,
) -> TrainResult:
    """Trains `niche` on `base` and leaves the best adapter in `work_dir/adapter`, with a card.

    Args:
        niche: what to train for.
        base: a local transformers model directory.
        data_dir: the folder of the data sets (see `lab.datasets.manifest`).
        work_dir: the folder of checkpoint and adapter; an existing checkpoint is resumed.
        config: the run's settings.
        start_from: an adapter with the initial weights.

    Raises:
        RecipeError: an example does not fit, the checkpoint belongs to another run, the adapter to
            start from does not fit, or the validation loss was never a number.
        DatasetError: a data set is absent or altered.
    """
    rng = random.Random(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    calls, count = config.functions, config.validation_examples
    examples = draw_examples(niche, "train", data_dir, config.max_examples, rng, functions=calls)
    held_out = draw_examples(niche, "validation", data_dir, count, rng, functions=calls)
    encoded = encode(examples, tokenizer, niche.system_prompt, config.max_length_tokens)
    validation = encode(held_out, tokenizer, niche.system_prompt, config.max_length_tokens)
    work_dir.mkdir(parents=True, exist_ok=True)
    run = Run(niche, base, config, int(tokenizer.eos_token_id), start_from)
    resumed = run.resume(work_dir / "checkpoint.pt")
    if start_from is not None and not resumed:
        _validate(run, validation, work_dir)  # the initial weights may be the best there are
    _fit(run, encoded, validation, work_dir, rng)
    if not math.isfinite(run.best_loss):  # an existing adapter is from an earlier run
        raise RecipeError("the validation loss was never a number; lower the learning rate")
    _write_card(niche, base, work_dir / "adapter")
    return TrainResult(run.best_loss, run.step, len(examples), round(run.seconds, 1), run.device)


def _validate(run: Run, validation: list[Encoded], work_dir: Path) -> None:
    """Measures the validation loss, stores the adapter if it is the best so far, saves the run."""
    loss = run.validate(validation)
    if loss < run.best_loss:
        run.best_loss, run.stale_validations = loss, 0
        run.model.save_pretrained(work_dir / "adapter")
    else:
        run.stale_validations += 1
    run.save(work_dir / "checkpoint.pt")
    tqdm.write(f"step {run.step}: validation loss {loss:.4f}")


def _fit(
    run: Run, encoded: list[Encoded], validation: list[Encoded], work_dir: Path, rng: random.Random
) -> None:
    config = run.config
    if run.stale_validations >= config.patience:  # it had stopped early
        return
    epochs = [in_batches(encoded, config.batch_size, rng) for _ in range(config.epochs)]
    total, place = sum(map(len, epochs)), 0
    with tqdm(total=total, initial=run.step, unit="step", smoothing=0.05) as bar:
        for epoch in epochs:
            for sequences in epoch:
                place += 1
                if place <= run.step:  # already done before the interruption
                    continue
                started = time.monotonic()
                batch = collate(sequences, run.pad_id)
                loss = run.learn(batch, _learning_rate(run.step, total, config))
                run.seconds += time.monotonic() - started
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}", best=f"{run.best_loss:.4f}")
                if run.step % config.evaluate_every_steps == 0 or run.step == total:
                    _validate(run, validation, work_dir)
                    if run.stale_validations >= config.patience:
                        bar.write("stopped early: no improvement on the validation rows")
                        return


def _write_card(niche: Niche, base: Path, adapter: Path) -> None:
    """The card that loading needs; publishing adds details, and the base's reference."""
    card = AdapterCard(
        niche=niche.name,
        base=str(base),
        system_prompt=niche.system_prompt,
        sha256=sha256_of(adapter / WEIGHTS),
        complete=niche.completion,
        grammar=niche.grammar,
    )
    (adapter / CARD).write_text(card.model_dump_json(indent=2), encoding="utf-8")


@dataclass(frozen=True)
class Stage:
    """One stage's settings and result."""

    config: TrainConfig
    result: TrainResult


def train_stages(
    niche: Niche, workspace: Workspace, configs: Sequence[TrainConfig]
) -> tuple[Path, tuple[Stage, ...]]:
    """Trains all stages; an interrupted run resumes in its stage.

    Args:
        niche: what to train for.
        workspace: base model, data and working directory, where each stage has a folder.
        configs: at least one, the first starting from the base model.

    Returns:
        The directory of the final adapter, which is the mean over all stages except the first, or
        that of the only stage; and each stage's result.

    Raises:
        RecipeError, DatasetError: as `train` does.
    """
    adapters: list[Path] = []
    done: list[Stage] = []
    for number, config in enumerate(configs, start=1):
        start = load_adapter(str(adapters[-1].resolve())) if adapters else None
        folder = workspace.work_dir / f"stage-{number}"
        result = train(niche, workspace.base_dir, workspace.data_dir, folder, config, start)
        done.append(Stage(config, result))
        adapters.append(folder / "adapter")
    if len(adapters) < 3:
        return adapters[-1], tuple(done)
    return _mean(adapters[1:], workspace.work_dir / "mean"), tuple(done)


def _mean(adapters: Sequence[Path], folder: Path) -> Path:
    """Writes the mean of adapters of one shape; returns its folder."""
    weights = [load_file(adapter / WEIGHTS) for adapter in adapters]
    shutil.copytree(adapters[-1], folder, dirs_exist_ok=True)
    mean = {
        key: torch.stack([weight[key] for weight in weights]).mean(dim=0) for key in weights[-1]
    }
    save_file(mean, folder / WEIGHTS, metadata={"format": "pt"})
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    card["sha256"] = sha256_of(folder / WEIGHTS)
    (folder / CARD).write_text(json.dumps(card, indent=2), encoding="utf-8")
    return folder
