"""Fine-tunes an encoder for the task: a LoRA on its first layers, trained on prompts in all forms.

Each step draws prompts, the domains in turn, and puts each into a form that keeps its label; most
come a second time inside another task, labelled `general`: in one batch the encoder sees that the
same words belong to a specialist, and do not. A second head learns which system prompts set a task.
All draws depend on the seed and the step alone, so a training that was interrupted goes on from its
last checkpoint to the same adapter: on one thread to the bit, on several up to the order of
sums.

The file imports torch and peft; `niche train` imports it only with --fine-tune.
"""

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import AutoModel

from lab.routing.forms import (
    AFTER_DOCUMENT,
    CONTEXT_IN_SYSTEM,
    IN_LONG_TEXT,
    OTHER_TASKS,
    OWN_TASK_BY_SYSTEM,
    PLAIN,
    SET_BY_SYSTEM,
    SYSTEM_PROMPT,
    TYPOS,
    TuningPrompt,
    Wordings,
    filler_alone,
    formed,
    label,
    said,
)
from lab.routing.train import Tune
from router.classifier import TextEncoder
from router.conversation import system_text
from router.encoders.adapter import FILE, Adapter, read_adapter, save_adapter
from router.encoders.encoder import Encoder
from router.encoders.encoding import LAYERS, WEIGHTS, Tokens, checksum
from router.encoders.torch_encoder import pooled
from router.errors import TrainingError
from router.request_text import SegmentScorer, request_text, system_words
from router.types import GENERAL, Query

_FORMS = {
    PLAIN: 0.2,
    TYPOS: 0.06,
    SYSTEM_PROMPT: 0.17,
    OWN_TASK_BY_SYSTEM: 0.04,
    CONTEXT_IN_SYSTEM: 0.03,
    AFTER_DOCUMENT: 0.12,
    IN_LONG_TEXT: 0.14,
}
"""How often each form is drawn; the rest is shared by the frames."""

_READ = 0.4
"""How often a neutral system prompt is read, as it will be where the detector takes it for one that
sets a task. Else all that the encoder sees below a system prompt would be general."""

_CONTEXTS = 0.2
"""Share of the neutral system prompts that hold the context of a prompt: a table, a list."""


@dataclass(frozen=True, slots=True)
class FineTuneConfig:
    """Settings of a fine-tuning.

    Attributes:
        layers: layers of the base to keep.
        rank: of the LoRA.
        scale: factor of its products.
        steps: optimiser steps.
        prompts: prompts per step, before those inside another task are added.
        fillers: texts without a request per step.
        systems: system prompts alone per step, half of which set a task.
        other_tasks: share of the prompts that also come inside another task.
        general: share of the prompts that no specialist should get.
        learning_rate, head_learning_rate: the largest, of the LoRA and of the linear head.
        sharpness: factor of the vectors before the head.
        checkpoint_every: steps between checkpoints.
        seed: of all draws.
    """

    layers: int = 4
    rank: int = 16
    scale: float = 2.0
    steps: int = 2500
    prompts: int = 24
    other_tasks: float = 0.45
    fillers: int = 2
    systems: int = 16
    general: float = 0.4
    learning_rate: float = 1e-3
    head_learning_rate: float = 1e-2
    sharpness: float = 16.0
    checkpoint_every: int = 100
    seed: int = 0


def fine_tune(
    draws: "Draws",
    base: Path,
    checkpoint: Path,
    config: FineTuneConfig,
    progress: Callable[[str], object] = lambda _: None,
) -> Adapter:
    """Trains an adapter.

    Args:
        draws: the batches.
        base: the encoder's directory.
        checkpoint: a file that holds the state of the training; the caller removes it.
        config: settings.
        progress: called with the state of the training, every few seconds.
    """
    base_sha256 = checksum(base / WEIGHTS)
    tuning = _Tuning(base, len(draws.classes), config, f"{base_sha256} {draws.fingerprint}")
    step = first = tuning.resume(checkpoint)
    started, shown = time.monotonic(), 0.0
    while step < config.steps:
        loss = tuning.step(draws.batch(step), draws.system_prompts(step))
        step += 1
        if step % config.checkpoint_every == 0 or step == config.steps:
            tuning.save(checkpoint, step)
        if time.monotonic() - shown > _SHOW_EVERY:
            shown = time.monotonic()
            left = (shown - started) / (step - first) * (config.steps - step)
            done = f"step {step} of {config.steps}, loss {loss:.3f}"
            progress(f"fine-tuning: {done}, {left:.0f} s left")
    return tuning.adapter(base_sha256)


def tuner(
    base: Path,
    cache_dir: Path,
    out: Path,
    threads: int,
    config: FineTuneConfig | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Tune:
    """What `lab.routing.train` needs to fine-tune an encoder.

    Args:
        base: the encoder's directory.
        cache_dir: where converted models are kept.
        out: the artifact's directory, which gets the adapter, and the checkpoint meanwhile.
        threads: CPU threads of the encoder afterwards.
        config: settings.
        progress: called with the state of the training, every few seconds.
    """
    settings = config or FineTuneConfig()

    def tune(
        prompts: Sequence[TuningPrompt], wordings: Wordings, scorer: SegmentScorer
    ) -> TextEncoder:
        draws = Draws(prompts, wordings, scorer, settings)
        found = fine_tune(draws, base, out / CHECKPOINT, settings, progress)
        save_adapter(found, out / FILE)
        return Encoder(base, cache_dir, threads, adapter=read_adapter(out / FILE))

    return tune


CHECKPOINT = "checkpoint.pt"

_SHOW_EVERY = 10.0
_LOWER = 0.1
_TOKENS_PER_PASS = 512
"""Small passes stay in the processor's caches."""
_WARM_UP = 0.06


@dataclass(frozen=True, slots=True)
class _Made:
    query: Query
    domain: str
    form: str
    prompt: str


class Draws:
    """The batches of a training; each depends on the seed and the step alone.

    Args:
        prompts: training prompts of at least one niche.
        wordings: of the forms.
        scorer: shortens long texts.
        config: settings.

    Attributes:
        classes: the labels; `general` is one of them, since texts inside other tasks have it.
        fingerprint: checksum of all that the batches depend on.

    Raises:
        TrainingError: no prompt is of a niche.
    """

    def __init__(
        self,
        prompts: Sequence[TuningPrompt],
        wordings: Wordings,
        scorer: SegmentScorer,
        config: FineTuneConfig,
    ) -> None:
        self.classes = sorted({prompt.domain for prompt in prompts} | {GENERAL})
        self._wordings, self._scorer, self._config = wordings, scorer, config
        self._prompts = list(prompts)
        self._of = {
            name: [prompt for prompt in prompts if prompt.domain == name] for name in self.classes
        }
        drawn = repr((prompts, wordings, config)).encode() + scorer.weights.tobytes()
        self.fingerprint = hashlib.sha256(drawn).hexdigest()
        niches = [name for name in self.classes if name != GENERAL]
        if not niches:
            raise TrainingError(
                "no training row of a niche is a single message, and only these fine-tune an "
                "encoder; add such rows, or train without --fine-tune"
            )
        share = config.general if self._of[GENERAL] else 0.0
        self._shares = [
            share if name == GENERAL else (1 - share) / len(niches) for name in self.classes
        ]
        frames = list(wordings.frames)
        each = (1 - sum(_FORMS.values())) / len(frames)
        self._forms = [*_FORMS, *frames]
        self._form_shares = [*_FORMS.values(), *(each for _ in frames)]

    def batch(self, step: int) -> list[tuple[str, int]]:
        """Texts with the index of their class."""
        rng = random.Random(f"{self._config.seed} {step}")
        found: list[_Made] = []
        for place, name in enumerate(
            rng.choices(self.classes, self._shares, k=self._config.prompts)
        ):
            own = self._of[name]
            prompt = rng.choices(own, [each.weight for each in own])[0]
            forms = [rng.choices(self._forms, self._form_shares)[0]]
            if rng.random() < self._config.other_tasks:
                forms.append(rng.choice(OTHER_TASKS))
            for form in forms:
                salt = f"{self._config.seed} {step} {place}"
                made = formed(prompt.text, prompt.domain, form, self._wordings, salt)
                if made is not None:
                    found.append(_Made(*made, form, prompt.text))
        found += [
            _Made(said(filler_alone(self._wordings, rng)), GENERAL, PLAIN, "")
            for _ in range(self._config.fillers)
        ]
        return self._labelled(found, rng)

    def _labelled(self, made: Sequence[_Made], rng: random.Random) -> list[tuple[str, int]]:
        found = []
        for each in made:
            text = self._read(each, rng)
            domain = label(each.form, each.domain, each.prompt, text)
            if domain is not None:
                # People type in lower case.
                shown = text.lower() if rng.random() < _LOWER else text
                found.append((shown, self.classes.index(domain)))
        return found

    def _read(self, made: _Made, rng: random.Random) -> str:
        """The text as the router may read it."""
        system, user = system_text(made.query), made.query.messages[-1].content
        if made.form not in SET_BY_SYSTEM and rng.random() >= _READ:
            # A context is looked up where the words alone say too little.
            user = f"{system}\n{user}" if made.form == CONTEXT_IN_SYSTEM else user
            system = ""
        return request_text(system, user, self._scorer)

    def system_prompts(self, step: int) -> list[tuple[str, int]]:
        """System prompts as they are read alone; 1 beside those that set a task."""
        rng = random.Random(f"{self._config.seed} {step} systems")
        half = self._config.systems // 2
        tasks = [self._wordings.task_prompt(rng) for _ in range(half)]
        neutral = [self._neutral(rng) for _ in range(half)]
        return [(system_words(text), 1) for text in tasks] + [
            (system_words(text), 0) for text in neutral
        ]

    def _neutral(self, rng: random.Random) -> str:
        if rng.random() < _CONTEXTS:
            prompt = rng.choice(self._prompts)
            salt = str(rng.random())
            made = formed(prompt.text, prompt.domain, CONTEXT_IN_SYSTEM, self._wordings, salt)
            if made is not None:
                return system_text(made[0])
        return self._wordings.system(rng)


class _Tuning:
    """The model under training, its optimiser and its schedule; `origin` names the training."""

    def __init__(self, base: Path, classes: int, config: FineTuneConfig, origin: str) -> None:
        torch.manual_seed(config.seed)
        # Without dropout, here and on the LoRA, which takes a third of the time: each text is drawn
        # in many forms.
        model = AutoModel.from_pretrained(
            base,
            local_files_only=True,
            dtype=torch.float32,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        model.encoder.layer = model.encoder.layer[: config.layers]
        model.config.num_hidden_layers = config.layers
        model.pooler = None
        lora = LoraConfig(
            r=config.rank,
            lora_alpha=round(config.scale * config.rank),
            target_modules=["query", "key", "value", "dense"],
        )
        self._config, self._origin = config, origin
        self._tokens = Tokens(base, 256)
        self._model = get_peft_model(model, lora).train()
        width = LAYERS * model.config.hidden_size
        heads = [nn.Linear(width, classes), nn.Linear(width, 2)]
        for head in heads:
            nn.init.zeros_(head.weight)
        self._heads = nn.ModuleList(heads)
        trained = [value for value in self._model.parameters() if value.requires_grad]
        self._optimiser = torch.optim.AdamW(
            [
                {"params": trained, "lr": config.learning_rate},
                {"params": self._heads.parameters(), "lr": config.head_learning_rate},
            ],
            weight_decay=0.01,
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._share)

    def _share(self, step: int) -> float:
        done = step / self._config.steps
        return min(done / _WARM_UP + 0.01, (1 - done) / (1 - _WARM_UP))

    def step(self, *batches: Sequence[tuple[str, int]]) -> float:
        """One step of the optimiser, on a batch for each head; returns the mean loss of the
        first."""
        losses = [self._learn(*pair) for pair in zip(self._heads, batches, strict=True)]
        nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._schedule.step()
        return losses[0]

    def _learn(self, head: nn.Module, batch: Sequence[tuple[str, int]]) -> float:
        """Adds the gradients of the mean loss, which it returns."""
        cuts = [(self._tokens.of(text).ids, label) for text, label in batch]
        cuts.sort(key=lambda pair: len(pair[0]))
        total = 0.0
        for part in _passes(cuts):
            vectors = pooled(self._model, [ids for ids, _ in part], torch.device("cpu"))
            logits = head(vectors * self._config.sharpness)
            truth = torch.tensor([label for _, label in part])
            loss = cross_entropy(logits, truth, reduction="sum") / len(cuts)
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            total += float(loss.detach())
        return total

    def save(self, file: Path, step: int) -> None:
        """Writes a checkpoint, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        torch.save(
            {
                "origin": self._origin,
                "step": step,
                "lora": get_peft_model_state_dict(self._model),
                "heads": self._heads.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "schedule": self._schedule.state_dict(),
            },
            part,
        )
        part.replace(file)

    def resume(self, file: Path) -> int:
        """Goes on from a checkpoint of the same training; returns the steps that are done."""
        if not file.exists():
            return 0
        state = torch.load(file, weights_only=True)
        if state["origin"] != self._origin:
            return 0
        set_peft_model_state_dict(self._model, state["lora"])
        self._heads.load_state_dict(state["heads"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        return int(state["step"])

    def adapter(self, base_sha256: str) -> Adapter:
        """The trained adapter."""
        pairs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        state = get_peft_model_state_dict(self._model)
        for name, value in state.items():
            if name.endswith(".lora_A.weight"):
                matrix = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                other = state[name.replace(".lora_A.", ".lora_B.")]
                pairs[matrix] = (value.numpy(), other.numpy())
        return Adapter(base_sha256, self._config.layers, self._config.scale, pairs)


def _passes(
    cuts: Sequence[tuple[list[int], int]],
) -> Iterator[Sequence[tuple[list[int], int]]]:
    """Parts of a batch, sorted by length, that share a pass."""
    start = 0
    for end in range(1, len(cuts) + 1):
        longest = len(cuts[min(end, len(cuts) - 1)][0])
        if end == len(cuts) or longest * (end + 1 - start) > _TOKENS_PER_PASS:
            yield cuts[start:end]
            start = end
