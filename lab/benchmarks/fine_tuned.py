"""A fully fine-tuned encoder: the baseline for the frozen one.

The recipe is the usual, strong one: AdamW with warm-up and linear decay, a higher rate for the new
layer, batches of texts of similar length; validation rows choose the learning rate and the epoch to
stop after.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.precision import products_dtype
from lab.routing.metrics import log_loss

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

_POOL = 64
"""The number of batches sorted by length together: little padding, and still much randomness."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Texts, and the class index of each, shape (n,)."""

    texts: Sequence[str]
    truth: Indices


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a fine-tuning.

    Attributes:
        learning_rates: learning rates of the encoder to try; validation chooses.
        head_factor: the new layer's learning rate as a multiple of the encoder's.
        epochs: the largest number; validation chooses the epoch to stop after.
        batch: texts in a step.
        warm_up: the share of steps in which the rate rises.
        weight_decay: AdamW's weight decay.
        max_tokens: longer texts are cut.
        threads: CPU threads.
        seed: the seed of the new layer, dropout and row order.
    """

    learning_rates: tuple[float, ...] = (5e-5, 1.5e-4)
    head_factor: float = 10.0
    epochs: int = 4
    batch: int = 32
    warm_up: float = 0.1
    weight_decay: float = 0.01
    max_tokens: int = 256
    threads: int = 1
    seed: int = 0


def fine_tune(
    path: Path,
    train: Labelled,
    validation: Labelled,
    recipe: Recipe | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> "FineTuned":
    """Fine-tunes an encoder; returns the model with the best log loss on validation rows.

    Args:
        path: a directory with the encoder's weights and tokenizer, as transformers reads it.
        train: rows that the weights are trained on; their classes are 0 to the largest.
        validation: rows that choose.
        recipe: settings.
        progress: called on each epoch.
    """
    recipe = recipe or Recipe()
    best: tuple[float, dict[str, Any]] | None = None
    model = None
    for rate in recipe.learning_rates:
        model = FineTuned(path, int(train.truth.max()) + 1, recipe)
        for epoch, _ in enumerate(_epochs(model, train, rate, recipe), start=1):
            found = model.probabilities(validation.texts)
            loss = log_loss(found, validation.truth)
            right = float((found.argmax(axis=1) == validation.truth).mean())
            progress(f"rate {rate:g}, epoch {epoch}: log loss {loss:.4f}, accuracy {right:.4f}")
            if best is None or loss < best[0]:
                best = loss, model.state()
    if model is None or best is None:
        raise ValueError(f"{recipe} trains nothing: it needs a learning rate and an epoch")
    model.restore(best[1])
    return model


class FineTuned:
    """An encoder with a layer over the mean of its last states; untrained when constructed.

    Args:
        path: as for `fine_tune`.
        classes: how many.
        recipe: `threads`, `max_tokens` and `seed` are used; torch holds the threads for the
            whole process.
    """

    def __init__(self, path: Path, classes: int, recipe: Recipe) -> None:
        import torch  # noqa: PLC0415 - the router does not need it; only this baseline trains
        from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415 - as above

        torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self._torch = torch
        self._max_tokens = recipe.max_tokens
        self._tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        self.encoder = AutoModel.from_pretrained(
            path, local_files_only=True, dtype=torch.float32, use_safetensors=True
        )
        self.head = torch.nn.Linear(self.encoder.config.hidden_size, classes)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, cut where it is too long."""
        found = self._tokenizer(list(texts), truncation=True, max_length=self._max_tokens)
        return list(found["input_ids"])

    def forward(self, tokens: Sequence[Sequence[int]]) -> "tuple[Tensor, Tensor]":
        """Logits (n, classes) and pooled states (n, width) of a batch."""
        torch = self._torch
        rows = [torch.tensor(ids) for ids in tokens]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(ids) for ids in tokens])
        mask = torch.arange(padded.shape[1])[None] < lengths[:, None]
        states = self.encoder(input_ids=padded, attention_mask=mask.long()).last_hidden_state
        pooled = (states * mask.unsqueeze(-1)).sum(dim=1) / lengths[:, None]
        return self.head(pooled), pooled

    def encode(self, texts: Sequence[str], batch: int = 64) -> tuple[Doubles, Floats]:
        """Logits (n, classes) and pooled states of length 1 (n, width), in order."""
        self.encoder.eval()
        tokens = self.tokens(texts)
        order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
        logits, pooled = [], []
        with self._torch.inference_mode():
            for start in range(0, len(order), batch):
                part = self.forward([tokens[index] for index in order[start : start + batch]])
                logits.append(part[0].double().numpy())
                pooled.append(self._torch.nn.functional.normalize(part[1], dim=1).numpy())
        back = np.argsort(order)
        return np.concatenate(logits)[back], np.concatenate(pooled)[back]

    def probabilities(self, texts: Sequence[str]) -> Doubles:
        """Probability of each class, shape (n, classes)."""
        logits, _ = self.encode(texts)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    def state(self) -> dict[str, Any]:
        """A copy of all weights."""
        parts = {"encoder": self.encoder, "head": self.head}
        return {
            name: {key: value.clone() for key, value in part.state_dict().items()}
            for name, part in parts.items()
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restores the weights of `state`."""
        self.encoder.load_state_dict(state["encoder"])
        self.head.load_state_dict(state["head"])


def _epochs(model: FineTuned, train: Labelled, rate: float, recipe: Recipe) -> Iterator[None]:
    """Trains; yields after each epoch."""
    import torch  # noqa: PLC0415 - as in `FineTuned`

    tokens, truth = model.tokens(train.texts), torch.from_numpy(train.truth)
    rng = np.random.default_rng(recipe.seed)
    steps = recipe.epochs * -(-len(tokens) // recipe.batch)
    rising = max(1, int(recipe.warm_up * steps))
    optimiser = torch.optim.AdamW(
        [
            {"params": model.encoder.parameters(), "lr": rate},
            {"params": model.head.parameters(), "lr": rate * recipe.head_factor},
        ],
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / rising, (steps - step) / max(1, steps - rising)),
    )
    weights = [*model.encoder.parameters(), *model.head.parameters()]
    halved = products_dtype("cpu") == torch.bfloat16
    for _ in range(recipe.epochs):
        model.encoder.train()
        for batch in batches([len(ids) for ids in tokens], recipe.batch, rng):
            # The weights stay in single precision.
            with torch.autocast("cpu", torch.bfloat16, enabled=halved):
                logits, _ = model.forward([tokens[index] for index in batch])
            loss = torch.nn.functional.cross_entropy(logits.float(), truth[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            schedule.step()
        yield


def batches(lengths: Sequence[int], size: int, rng: np.random.Generator) -> list[list[int]]:
    """Indices of all rows in random batches, each with rows of similar length."""
    order = rng.permutation(len(lengths)).tolist()
    found = []
    for start in range(0, len(order), size * _POOL):
        pool = sorted(order[start : start + size * _POOL], key=lambda index: lengths[index])
        found += [pool[at : at + size] for at in range(0, len(pool), size)]
    return [found[index] for index in rng.permutation(len(found))]
