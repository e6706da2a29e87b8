"""Trains a specialist: a LoRA adapter on every linear layer of the base model.

Progress is shown, a checkpoint is written at every look at the validation loss, and a run that was
cut goes on from its last checkpoint. The same code runs on a CPU (in bfloat16) and on a GPU.
"""

import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm
from transformers import AutoTokenizer

from deployments.models.adapters import Adapter, AdapterCard
from deployments.models.cache import sha256_of
from lab.specialists.niches.niche import Niche
from lab.specialists.recipes.batches import Encoded, batches, drawn, encode
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.errors import RecipeError
from lab.specialists.recipes.run import Run


@dataclass(frozen=True)
class TrainResult:
    """What a run did: its best validation loss (nats per answer token), steps and seconds."""

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
        data_dir: where the data sets lie (see `lab.datasets.manifest`).
        work_dir: checkpoint and adapter go here; an existing checkpoint is resumed.
        config: the run's settings.
        start_from: an adapter whose weights are the first, for the layers that are kept.

    Raises:
        RecipeError: an example does not fit, the checkpoint is of another run, the adapter to
            start from does not fit, or nothing was learnt that could be kept.
        ModelError: the base does not have the layers to keep.
        DatasetError: a data set is absent or altered.
    """
    rng = random.Random(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    examples = drawn(niche, "train", data_dir, config.max_examples, rng)
    held_out = drawn(niche, "validation", data_dir, config.validation_examples, rng)
    encoded = encode(examples, tokenizer, niche.system_prompt, config.max_length_tokens)
    validation = encode(held_out, tokenizer, niche.system_prompt, config.max_length_tokens)
    work_dir.mkdir(parents=True, exist_ok=True)
    run = Run(niche, base, config, int(tokenizer.eos_token_id), start_from)
    resumed = run.resume(work_dir / "checkpoint.pt")
    if start_from is not None and not resumed:
        _look(run, validation, work_dir)  # what it starts from may be the best there is
    _fit(run, encoded, validation, work_dir, rng)
    if not math.isfinite(run.best_loss):  # an adapter that lies there is of an earlier run
        raise RecipeError("the validation loss was never a number; lower the learning rate")
    _write_card(niche, base, config, work_dir / "adapter")
    return TrainResult(run.best_loss, run.step, len(examples), round(run.seconds, 1), run.device)


def _look(run: Run, validation: list[Encoded], work_dir: Path) -> None:
    """Measures the validation loss, keeps the adapter if it is the best yet, saves the run."""
    loss = run.validate(validation)
    if loss < run.best_loss:
        run.best_loss, run.stale_looks = loss, 0
        run.model.save_pretrained(work_dir / "adapter")
    else:
        run.stale_looks += 1
    run.save(work_dir / "checkpoint.pt")
    tqdm.write(f"step {run.step}: validation loss {loss:.4f}")


def _fit(
    run: Run, encoded: list[Encoded], validation: list[Encoded], work_dir: Path, rng: random.Random
) -> None:
    config = run.config
    if run.stale_looks >= config.patience:  # it had stopped early
        return
    per_epoch = math.ceil(len(encoded) / config.batch_size)
    total, place = per_epoch * config.epochs, 0
    with tqdm(total=total, initial=run.step, unit="step", smoothing=0.05) as bar:
        for _ in range(config.epochs):
            for batch in batches(encoded, config.batch_size, run.pad_id, rng):
                place += 1
                if place <= run.step:  # already done before the run was cut
                    continue
                started = time.monotonic()
                loss = run.learn(batch, _learning_rate(run.step, total, config))
                run.seconds += time.monotonic() - started
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}", best=f"{run.best_loss:.4f}")
                if run.step % config.evaluate_every_steps == 0 or run.step == total:
                    _look(run, validation, work_dir)
                    if run.stale_looks >= config.patience:
                        bar.write("stopped early: no improvement on the validation rows")
                        return


def _write_card(niche: Niche, base: Path, config: TrainConfig, adapter: Path) -> None:
    """What loading needs to know; publishing says more, and names the base by its reference."""
    weights = adapter / "adapter_model.safetensors"
    card = AdapterCard(
        niche=niche.name,
        base=str(base),
        system_prompt=niche.system_prompt,
        sha256=sha256_of(weights),
        layers=config.layers,
        complete=niche.completion,
    )
    (adapter / "niche.json").write_text(card.model_dump_json(indent=2), encoding="utf-8")
