"""The learning curve: how good a specialist gets with how many examples.

One specialist per size, each trained from scratch and graded on the same test rows; the rows of a
smaller size are among those of a larger one. A size that is done is not run again, one that was cut
goes on from its checkpoint.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deployments.models.adapters import load_adapter
from lab.specialists.niches.niche import Niche
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.errors import RecipeError
from lab.specialists.recipes.evaluate import Score, evaluate
from lab.specialists.recipes.points import Graded, figures, made_once
from lab.specialists.recipes.train import train
from lab.specialists.recipes.workplace import Workplace

BASE_ROWS = 0
"""The rows of the base model alone, which is the curve's first point."""


@dataclass(frozen=True, kw_only=True)
class Point(Graded):
    """What so many training rows give.

    Attributes:
        rows: training rows.
        epochs: how often each was to be seen; early stopping may have ended it before.
        steps: that were taken.
        seconds: that training took.
    """

    rows: int
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Finished:
    """An adapter that was trained before, for the last point: its directory, as published."""

    path: Path


def learning_curve(
    niche: Niche,
    place: Workplace,
    runs: Sequence[TrainConfig | Finished],
    test_rows: int | None,
) -> Iterator[Point]:
    """Yields the base model's point, then one for each run, as they are done.

    Args:
        niche: what for.
        place: base model and data; each size has a folder of its own in the work directory.
        runs: settings by size, smallest first; their `max_examples` is the size. An adapter that
            is there already takes the place of a run.
        test_rows: how many to grade; None takes all.

    Raises:
        RecipeError: an example does not fit, a checkpoint is of another run, or a finished adapter
            is of another niche or base.
        DatasetError: a data set is absent or altered.
    """
    common = {
        "niche": niche.name,
        "base": place.base,
        "data": [item.sha256 for item in niche.sources],
        "asked": [niche.system_prompt, niche.graders[0], niche.max_answer_tokens, test_rows],
    }
    for run, (name, what) in [(run, _named(run, niche, place)) for run in (None, *runs)]:
        folder = place.work_dir / name
        make = partial(_point, niche, place, run, folder, test_rows)
        yield made_once(folder, common | {"run": what}, Point, make)


def _named(
    run: TrainConfig | Finished | None, niche: Niche, place: Workplace
) -> tuple[str, dict[str, Any] | str | None]:
    """The run's folder, and what tells it from another."""
    if run is None:
        return "base", None
    if isinstance(run, TrainConfig):
        # The threads change nothing.
        return f"rows-{run.max_examples or 'all'}", asdict(run) | {"threads": None}
    adapter = load_adapter(str(run.path.resolve()))
    if (adapter.niche, adapter.base) != (niche.name, place.base):
        raise RecipeError(
            f"adapter {run.path} is of the niche {adapter.niche!r} on {adapter.base!r}, not of "
            f"{niche.name!r} on {place.base!r}; name another, or leave it out"
        )
    _stages(run.path)
    return "adapter", adapter.sha256


def _stages(adapter: Path) -> list[dict[str, Any]]:
    """Of its training, as publishing wrote them."""
    facts = json.loads((adapter / "niche.json").read_text(encoding="utf-8"))
    if "stages" not in facts:
        raise RecipeError(
            f"adapter {adapter}: its niche.json does not say how it was trained; name one that was "
            "published, or leave it out"
        )
    return list(facts["stages"])


def _point(
    niche: Niche,
    place: Workplace,
    run: TrainConfig | Finished | None,
    folder: Path,
    rows: int | None,
) -> Point:
    base, data_dir = place.base_dir, place.data_dir
    if run is None:
        return Point(rows=BASE_ROWS, **figures(evaluate(niche, base, None, data_dir, rows)))
    if isinstance(run, Finished):
        return _finished(run.path, evaluate(niche, base, run.path, data_dir, rows))
    result = train(niche, base, data_dir, folder, run)
    return Point(
        rows=result.examples,
        epochs=run.epochs,
        steps=result.steps,
        seconds=result.seconds,
        **figures(evaluate(niche, base, folder / "adapter", data_dir, rows)),
    )


def _finished(adapter: Path, score: Score) -> Point:
    """Over all stages of its training; the rows are those of the largest."""
    stages = _stages(adapter)
    results = [stage["result"] for stage in stages]
    return Point(
        rows=max(result["examples"] for result in results),
        epochs=sum(stage["config"]["epochs"] for stage in stages),
        steps=sum(result["steps"] for result in results),
        seconds=sum(result["seconds"] for result in results),
        **figures(score),
    )
