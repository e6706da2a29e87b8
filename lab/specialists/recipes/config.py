"""How a specialist is trained: one frozen value, written beside what it produced."""

from dataclasses import dataclass

from lab.specialists.recipes.errors import RecipeError

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


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run.

    Attributes:
        rank: rank of the low-rank update on every linear layer.
        alpha: its scale times `rank`.
        learning_rate: peak, reached after `warmup_share` of the steps, then a cosine to a tenth of
            it.
        batch_size: examples per step.
        max_examples: training examples drawn (None: all), each seen `epochs` times.
        max_length_tokens: longer examples are refused before training starts.
        evaluate_every_steps: steps between two looks at the validation loss.
        patience: looks without an improvement before training stops early.
        seed: draws the examples and their order, and starts the adapter's weights.
        layers: decoder layers of the base that are kept, ascending from 0; None keeps all.
        distil: weight of the distance to the starting adapter's own predictions, at its own
            depth; None learns from the rows alone.
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
    layers: tuple[int, ...] | None = None
    distil: float | None = None

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name} must be at least 1, got {value}")
        if not 0 < self.learning_rate < 1:
            raise RecipeError(f"learning_rate must lie between 0 and 1, got {self.learning_rate}")
        if self.layers is not None and not _ascending(self.layers):
            raise RecipeError(f"layers must be ascending, each once, from 0, got {self.layers}")
        if self.distil is not None and not self.distil > 0:
            raise RecipeError(f"distil must be above 0, got {self.distil}")


def _ascending(layers: tuple[int, ...]) -> bool:
    return bool(layers) and list(layers) == sorted(set(layers)) and layers[0] >= 0
