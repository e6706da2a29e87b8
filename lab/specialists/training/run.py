"""The state of one training run: model, optimizer and progress."""

import json
import math
import random
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.helpers import disable_input_dtype_casting
from safetensors.torch import load_file
from torch.nn import functional

from deployments.models.adapters import CONFIG, WEIGHTS, Adapter
from lab.precision import products_dtype
from lab.specialists.errors import OtherRunError, RecipeError
from lab.specialists.merged_model import load_model
from lab.specialists.niche import Niche
from lab.specialists.recipe import TrainConfig
from lab.specialists.training.batches import IGNORED, Batch, Encoded, batches


def answer_logits(causal: Any, batch: Batch) -> torch.Tensor:
    """A model's logits for the answers' tokens, (positions, vocabulary); the head runs only on
    these positions."""
    mask = batch.mask.to(causal.device)
    readable = batch.readable()
    if readable is not None:
        closed = torch.finfo(causal.dtype).min
        mask = torch.zeros_like(readable, dtype=causal.dtype).masked_fill(~readable, closed)
        mask = mask[:, None].to(causal.device)
    hidden = causal.model(
        input_ids=batch.ids.to(causal.device),
        attention_mask=mask,
        position_ids=batch.places.to(causal.device),
        use_cache=False,
    ).last_hidden_state
    rows = hidden.flatten(0, 1)[batch.positions.to(causal.device)]
    return causal.lm_head(rows).float()


class Run:
    """A LoRA adapter in training.

    Args:
        niche: names the run; the methods get its rows.
        base: a local transformers model directory.
        config: the run's settings.
        pad_id: the padding token.
        start_from: an adapter with the initial weights; None: a new adapter.
    """

    def __init__(
        self, niche: Niche, base: Path, config: TrainConfig, pad_id: int, start_from: Adapter | None
    ) -> None:
        torch.manual_seed(config.seed)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dtype = products_dtype(self.device)
        self.config, self.pad_id = config, pad_id
        self.model = self._adapted(base, start_from)
        trainable = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(trainable, lr=config.learning_rate, weight_decay=0.0)
        # A checkpoint is resumed only if these match; the number of threads does not matter.
        self.identity = asdict(config) | {
            "threads": None,
            "niche": niche.name,
            "system_prompt": niche.system_prompt,
            "base": base.name,
            "data": [item.sha256 for item in niche.sources],
            "known": niche.functions
            and sha256("".join(niche.functions.known).encode()).hexdigest(),
            "start_from": start_from.sha256 if start_from else None,
        }
        self.step = 0
        self.best_loss = math.inf
        self.stale_validations = 0
        self.seconds = 0.0

    def _adapted(self, base: Path, start_from: Adapter | None) -> Any:
        config = self.config
        # In bfloat16 on a CPU the backward pass of fused attention is slower, with short sequences.
        slow = self.device == "cpu" and self.dtype == torch.bfloat16
        attention = "eager" if slow else "sdpa"
        model = load_model(base, None, self.dtype, attention).to(self.device)
        # fp32 adapter weights on a bf16 base too (PEFT's default), so that
        # rounding keeps small updates.
        lora = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(model, lora)
        if start_from is not None:
            _require_same_scale(start_from, config)
            set_peft_model_state_dict(model, load_file(start_from.path / WEIGHTS))
        return model

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean cross-entropy over the answers' tokens."""
        logits = answer_logits(self.model.base_model.model, batch)
        targets = batch.targets.to(self.device)
        return functional.cross_entropy(logits, targets, ignore_index=IGNORED)

    def learn(self, batch: Batch, learning_rate: float) -> float:
        """Takes one step; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        # The adapter multiplies in the base's type and is kept in float32.
        with (
            torch.autocast(self.device, torch.bfloat16, enabled=self.dtype == torch.bfloat16),
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
        """The mean cross-entropy over the answers' tokens, in nats."""
        self.model.eval()
        total, count = 0.0, 0
        for batch in batches(encoded, self.config.batch_size, self.pad_id, random.Random(0)):
            targets = int((batch.targets != IGNORED).sum())
            total += float(self.loss(batch)) * targets
            count += targets
        self.model.train()
        return total / count

    def save(self, path: Path) -> None:
        """Writes the checkpoint atomically."""
        state: dict[str, Any] = {
            "adapter": get_peft_model_state_dict(self.model),
            "optimizer": self.optimizer.state_dict(),
            "identity": self.identity,
            "place": (self.step, self.best_loss, self.stale_validations, self.seconds),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def resume(self, path: Path) -> bool:
        """Restores the checkpoint; returns whether there is one.

        Raises:
            OtherRunError: it belongs to another run.
        """
        if not path.is_file():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        found = state.get("identity", {})
        differing = [key for key, value in self.identity.items() if found.get(key) != value]
        if differing:
            raise OtherRunError(path, ", ".join(differing))
        set_peft_model_state_dict(self.model, state["adapter"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best_loss, self.stale_validations, self.seconds = state["place"]
        return True


def _require_same_scale(adapter: Adapter, config: TrainConfig) -> None:
    trained = json.loads((adapter.path / CONFIG).read_text(encoding="utf-8"))
    rank, alpha = trained["r"], trained["lora_alpha"]
    if (rank, alpha) != (config.rank, config.alpha):
        raise RecipeError(
            f"adapter {adapter.path} has rank {rank} and alpha {alpha}, the run has "
            f"{config.rank} and {config.alpha}; start with the adapter's own"
        )
