"""Trains a specialist: a LoRA adapter on every linear layer of the base model.

Progress is shown, a checkpoint is written at every look at the validation loss, and a run that was
cut goes on from its last checkpoint. The same code runs on a CPU (in bfloat16) and on a GPU.
"""

import math
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.helpers import disable_input_dtype_casting
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from deployments.datasets.manifest import DATASETS
from deployments.niches.niche import Example, Niche
from deployments.recipes.batches import IGNORED, Batch, Encoded, batches, encode
from deployments.recipes.config import TrainConfig
from deployments.recipes.errors import RecipeError

__all__ = ["TrainResult", "train"]


@dataclass(frozen=True)
class TrainResult:
    """What a run did: its best validation loss (nats per answer token), steps and seconds."""

    validation_loss: float
    steps: int
    examples: int
    seconds: float
    device: str


def _draw(examples: list[Example], count: int | None, rng: random.Random) -> list[Example]:
    rng.shuffle(examples)
    return examples if count is None else examples[:count]


def _learning_rate(step: int, total: int, config: TrainConfig) -> float:
    warmup = max(1, int(total * config.warmup_share))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, total - warmup)
    return config.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share)))


class _Run:
    """One training run's moving parts: the model, its optimizer and where it stands."""

    def __init__(
        self, niche: Niche, base: Path, config: TrainConfig, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        torch.manual_seed(config.seed)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        # Short sequences: on a CPU the fused attention's backward pass is the slower one.
        attention = "sdpa" if self.device == "cuda" else "eager"
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.bfloat16, attn_implementation=attention
        ).to(self.device)
        # fp32 adapter weights on a bf16 base (PEFT's default): small updates survive the rounding.
        lora = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        self.model = get_peft_model(model, lora)
        self.pad_id = int(tokenizer.eos_token_id)
        trainable = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(trainable, lr=config.learning_rate, weight_decay=0.0)
        self.config = config
        # What a checkpoint must agree on to be gone on with; the threads change nothing.
        self.identity = asdict(config) | {
            "threads": None,
            "niche": niche.name,
            "system_prompt": niche.system_prompt,
            "base": base.name,
            "data": [DATASETS[name].sha256 for name in niche.datasets],
        }
        self.step = 0
        self.best_loss = math.inf
        self.stale_looks = 0
        self.seconds = 0.0

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean cross-entropy over the answers' tokens; the head runs on those positions alone."""
        causal = self.model.base_model.model
        hidden = causal.model(
            input_ids=batch.ids.to(self.device), attention_mask=batch.mask.to(self.device)
        ).last_hidden_state
        rows = hidden.flatten(0, 1)[batch.positions.to(self.device)]
        logits = causal.lm_head(rows).float()
        targets = batch.targets.to(self.device)
        return functional.cross_entropy(logits, targets, ignore_index=IGNORED)

    def learn(self, batch: Batch, learning_rate: float) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        # The adapter multiplies in bfloat16 and is kept in float32: 1.7 times the speed on a CPU
        # with the attention above, where float32 products are the slow part.
        with (
            torch.autocast(self.device, dtype=torch.bfloat16),
            disable_input_dtype_casting(self.model),
        ):
            loss = self.loss(batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return float(loss.detach())

    @torch.no_grad()
    def validate(self, encoded: list[Encoded]) -> float:
        self.model.eval()
        total, count = 0.0, 0
        for batch in batches(encoded, self.config.batch_size, self.pad_id, random.Random(0)):
            targets = int((batch.targets != IGNORED).sum())
            total += float(self.loss(batch)) * targets
            count += targets
        self.model.train()
        return total / count

    def save(self, path: Path) -> None:
        state: dict[str, Any] = {
            "adapter": get_peft_model_state_dict(self.model),
            "optimizer": self.optimizer.state_dict(),
            "identity": self.identity,
            "place": (self.step, self.best_loss, self.stale_looks, self.seconds),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def resume(self, path: Path) -> None:
        if not path.is_file():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        found = state.get("identity", {})
        differing = [key for key, value in self.identity.items() if found.get(key) != value]
        if differing:
            raise RecipeError(
                f"{path} was written with another {', '.join(differing)}; "
                "use the same settings, or remove it to start again"
            )
        set_peft_model_state_dict(self.model, state["adapter"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best_loss, self.stale_looks, self.seconds = state["place"]


def train(
    niche: Niche, base: Path, data_dir: Path, work_dir: Path, config: TrainConfig
) -> TrainResult:
    """Trains `niche` on `base` and leaves the best adapter in `work_dir/adapter`.

    Args:
        niche: what to train for.
        base: a local transformers model directory.
        data_dir: where the data sets lie (see `deployments.datasets.manifest`).
        work_dir: checkpoint and adapter go here; an existing checkpoint is resumed.
        config: the run's settings.

    Raises:
        RecipeError: an example does not fit, or the checkpoint is of another run.
        DatasetError: a data set is absent or altered.
    """
    rng = random.Random(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    drawn = _draw(list(niche.examples("train", data_dir)), config.max_examples, rng)
    held_out = _draw(list(niche.examples("validation", data_dir)), config.validation_examples, rng)
    encoded = encode(drawn, tokenizer, niche.system_prompt, config.max_length_tokens)
    validation = encode(held_out, tokenizer, niche.system_prompt, config.max_length_tokens)
    work_dir.mkdir(parents=True, exist_ok=True)
    run = _Run(niche, base, config, tokenizer)
    checkpoint = work_dir / "checkpoint.pt"
    run.resume(checkpoint)
    _fit(run, encoded, validation, work_dir, rng)
    return TrainResult(run.best_loss, run.step, len(drawn), round(run.seconds, 1), run.device)


def _look(run: _Run, validation: list[Encoded], work_dir: Path) -> float:
    """Measures the validation loss, keeps the adapter if it is the best yet, saves the run."""
    loss = run.validate(validation)
    if loss < run.best_loss:
        run.best_loss, run.stale_looks = loss, 0
        run.model.save_pretrained(work_dir / "adapter")
    else:
        run.stale_looks += 1
    run.save(work_dir / "checkpoint.pt")
    return loss


def _fit(
    run: _Run, encoded: list[Encoded], validation: list[Encoded], work_dir: Path, rng: random.Random
) -> None:
    config = run.config
    if run.stale_looks >= config.patience:  # it had stopped early
        return
    per_epoch = math.ceil(len(encoded) / config.batch_size)
    total, place = per_epoch * config.epochs, 0
    bar = tqdm(total=total, initial=run.step, unit="step", smoothing=0.05)
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
                seen = _look(run, validation, work_dir)
                bar.write(f"step {run.step}: validation loss {seen:.4f}")
                if run.stale_looks >= config.patience:
                    bar.write("stopped early: no improvement on the validation rows")
                    return
    bar.close()
