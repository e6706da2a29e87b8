"""The depth curve: how good a specialist stays with fewer layers.

For each fraction the layers are dropped that it can best do without
(`lab.specialists.recipes.drop_order`); what is left starts with the whole specialist's weights, is
trained on ("healed"), and is graded on the same test rows. The whole specialist gets the same
further training, so that the curve shows depth alone. A depth that is done is not run again, one
that was cut goes on from its checkpoint.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from deployments.models.adapters import Adapter
from lab.specialists.evaluation.flops import Shape, request_flops
from lab.specialists.niches.niche import Niche
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.drop_order import drop_order
from lab.specialists.recipes.evaluate import evaluate
from lab.specialists.recipes.points import Graded, figures, made_once
from lab.specialists.recipes.start import scale_of
from lab.specialists.recipes.train import train
from lab.specialists.recipes.workplace import Workplace

_LEAST = 3


@dataclass(frozen=True, kw_only=True)
class DepthPoint(Graded):
    """What some of the layers give.

    Attributes:
        layers: how many of the base's are kept.
        fraction: of the whole specialist's layers that these are.
        flops: operations of a request of mean length.
        compute: the same, as a share of what all the specialist's layers need for it.
        validation_loss: the best, in nats per answer token.
        steps: of healing.
        seconds: that healing took.
    """

    layers: int
    fraction: float
    flops: int
    compute: float
    validation_loss: float
    steps: int
    seconds: float


def kept_count(total: int, fraction: float) -> int:
    """How many of `total` layers a fraction of them is: at least three, or all there are.

    Raises:
        ValueError: the fraction is not above 0 and at most 1.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"the fraction of layers must be above 0 and at most 1, got {fraction}")
    return min(total, max(_LEAST, round(total * fraction)))


def depth_curve(
    niche: Niche,
    place: Workplace,
    whole: Adapter,
    fractions: Sequence[float],
    config: TrainConfig,
    test_rows: int | None,
) -> Iterator[DepthPoint]:
    """Yields a point for each fraction, as they are done.

    Args:
        niche: what for.
        place: base model and data; each depth has a folder of its own in the work directory.
        whole: the specialist whose layers are dropped.
        fractions: of its layers.
        config: how what is left is healed; the specialist gives layers, rank and alpha.
        test_rows: how many to grade; None takes all.

    Raises:
        RecipeError: an example does not fit, or a checkpoint is of another run.
        DatasetError: a data set is absent or altered.
        ValueError: a fraction is not above 0 and at most 1.
    """
    model = json.loads((place.base_dir / "config.json").read_text(encoding="utf-8"))
    own = whole.layers or tuple(range(model["num_hidden_layers"]))
    shape = replace(Shape.of(model), layers=len(own))
    counts = [kept_count(len(own), fraction) for fraction in fractions]
    order = drop_order(niche, place, whole, config, len(own) - min(counts))
    for count in counts:
        gone = {own[at] for at in order[: len(own) - count]}
        healing = _healing(config, whole, tuple(layer for layer in own if layer not in gone))
        here = replace(place, work_dir=place.work_dir / f"layers-{count}")
        identity = _identity(niche, place, whole, healing) | {"test_rows": test_rows}
        make = partial(_point, niche, here, whole, healing, shape, test_rows)
        yield made_once(here.work_dir, identity, DepthPoint, make)


def _healing(config: TrainConfig, whole: Adapter, layers: tuple[int, ...]) -> TrainConfig:
    rank, alpha = scale_of(whole)
    return replace(config, layers=layers, rank=rank, alpha=alpha)


def _identity(
    niche: Niche, place: Workplace, whole: Adapter, healing: TrainConfig
) -> dict[str, Any]:
    """What must be the same for a point to be read instead of made."""
    return {
        "niche": niche.name,
        "base": place.base,
        "whole": whole.sha256,
        "data": [item.sha256 for item in niche.sources],
        "asked": [niche.system_prompt, niche.graders[0], niche.max_answer_tokens],
        "healing": asdict(healing) | {"threads": None},
    }


def _point(
    niche: Niche,
    place: Workplace,
    whole: Adapter,
    config: TrainConfig,
    shape: Shape,
    test_rows: int | None,
) -> DepthPoint:
    """Heals and grades one depth; `shape` is the whole specialist's."""
    base, data_dir, folder = place.base_dir, place.data_dir, place.work_dir
    training = train(niche, base, data_dir, folder, config, start_from=whole)
    score = evaluate(niche, base, folder / "adapter", data_dir, test_rows)
    count = len(config.layers or range(shape.layers))
    # The end of the turn is generated too.
    mean = round(score.mean_prompt_tokens), round(score.mean_answer_tokens) + 1
    flops = request_flops(replace(shape, layers=count), *mean)
    return DepthPoint(
        layers=count,
        fraction=count / shape.layers,
        flops=flops,
        compute=flops / request_flops(shape, *mean),
        validation_loss=training.validation_loss,
        steps=training.steps,
        seconds=training.seconds,
        **figures(score),
    )
