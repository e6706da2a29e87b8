"""The settings of a training, which are also written into the model card.

Does not import torch, for the command line.
"""

import math
from dataclasses import dataclass, replace

from lab.specialists.errors import RecipeError

_COUNTS = (
    "rank",
    "alpha",
    "batch_size",
    "epochs",
    "max_examples",
    "max_length_tokens",
    "validation_examples",
    "evaluate_every_steps",
    "patience",
    "threads",
)

_MIN_STEPS, _MAX_STEPS = 150, 2000
_STEPS_PER_ROOT = 15
_VALIDATIONS = 20


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run.

    Attributes:
        rank: rank of the low-rank update on every linear layer.
        alpha: the update's scale times `rank`.
        learning_rate: the peak, reached after `warmup_share` of the steps, followed by a cosine
            decay to a tenth of it.
        batch_size: examples per step.
        max_examples: number of training examples drawn (None: all), each seen `epochs` times.
        max_length_tokens: longer examples are an error before training starts.
        validation_examples: number of rows for the validation loss.
        evaluate_every_steps: steps between two measurements of the validation loss.
        patience: measurements without an improvement before training stops early.
        seed: draws the examples and their order, and initialises the adapter's weights.
        threads: CPU threads; None leaves them to torch.
        functions: whether the rows that call functions come on top of `max_examples`.
    """

    rank: int = 8
    alpha: int = 16
    learning_rate: float = 2e-3
    warmup_share: float = 0.05
    batch_size: int = 16
    epochs: int = 1
    max_examples: int | None = None
    max_length_tokens: int = 512
    validation_examples: int = 128
    evaluate_every_steps: int = 50
    patience: int = 5
    seed: int = 0
    threads: int | None = None
    functions: bool = False

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name} must be at least 1, got {value}")
        if not 0 < self.learning_rate < 1:
            raise RecipeError(f"learning_rate must lie between 0 and 1, got {self.learning_rate}")


STAGE = TrainConfig(evaluate_every_steps=100)
"""The common settings of the default specialists' recipes."""

LATER_STAGE = replace(STAGE, learning_rate=1e-3, seed=1, patience=100)
"""A stage after the first. Its learning rate first undoes part of the gains of the first stage, and
the loss stays higher for most of the run, so there is no early stopping."""


def settings_for(
    rows: int, base: TrainConfig | None = None, epochs: int | None = None
) -> TrainConfig:
    """Settings for a number of training rows: fewer rows get more epochs.

    The steps grow with the square root of the rows, from 150 to 2,000; beyond that rows are drawn.
    Early stopping ends the run if fewer steps are enough.

    Args:
        rows: their number, at least 1.
        base: all settings except the amount of training, which depends on the batch size.
        epochs: the number of epochs; None: chosen by the number of rows.
    """
    base = base or TrainConfig()
    most = _MAX_STEPS * base.batch_size if epochs is None else rows
    per_epoch = math.ceil(min(rows, most) / base.batch_size)
    if epochs is None:
        wanted = min(_MAX_STEPS, max(_MIN_STEPS, _STEPS_PER_ROOT * math.sqrt(rows)))
        epochs = min(math.ceil(wanted / per_epoch), _MAX_STEPS // per_epoch)
    return replace(
        base,
        epochs=epochs,
        max_examples=min(rows, most),
        evaluate_every_steps=max(5, epochs * per_epoch // _VALIDATIONS),
    )
