"""How much to train: the settings of the default niches' recipes, and those for data of one's own.

Free of torch, for the command line.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from lab.specialists.recipes.config import TrainConfig

_WHOLE = TrainConfig(evaluate_every_steps=100)
# A second stage starts at a rate that first undoes a part of what the end of the first had gained:
# the loss is above that for most of the run, so there is no early end.
_AGAIN = replace(_WHOLE, learning_rate=1e-3, seed=1, patience=100)

RECIPES: Mapping[str, tuple[TrainConfig, ...]] = MappingProxyType(
    {
        "sql": (
            replace(_WHOLE, max_examples=30_000),
            replace(_AGAIN, max_examples=28_000),
            replace(_AGAIN, max_examples=28_000, seed=2),
        ),
        "tools": (replace(_WHOLE, epochs=2),),
        "math": (replace(_WHOLE, epochs=3),),
        "biomed": (replace(_WHOLE, epochs=2),),
        "support": (replace(_WHOLE, epochs=3),),
    }
)
"""By the niche's name: the stages of training that made the adapters that ship."""

_LEAST_STEPS, _MOST_STEPS = 150, 2000
_STEPS_PER_ROOT = 15
_LOOKS = 20


def settings_for(
    rows: int, base: TrainConfig | None = None, epochs: int | None = None
) -> TrainConfig:
    """Settings for so many training rows: the fewer, the more often each is seen.

    The steps grow with the square root of the rows, from 150 to 2,000; beyond that rows are drawn.
    Where fewer would do, the validation rows end the run early.

    Args:
        rows: how many there are; at least 1.
        base: gives everything but the amount of training; the batch size is taken into account.
        epochs: how often each row is to be seen; None chooses.
    """
    base = base or TrainConfig()
    most = _MOST_STEPS * base.batch_size if epochs is None else rows
    per_epoch = math.ceil(min(rows, most) / base.batch_size)
    if epochs is None:
        wanted = min(_MOST_STEPS, max(_LEAST_STEPS, _STEPS_PER_ROOT * math.sqrt(rows)))
        epochs = min(math.ceil(wanted / per_epoch), _MOST_STEPS // per_epoch)
    return replace(
        base,
        epochs=epochs,
        max_examples=min(rows, most),
        evaluate_every_steps=max(5, epochs * per_epoch // _LOOKS),
    )
