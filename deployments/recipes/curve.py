"""The learning curve: how good a specialist gets with how many examples.

One specialist per size, each trained from scratch and graded on the same test rows; the rows of a
smaller size are among those of a larger one. A size that is done is not run again, one that was cut
goes on from its checkpoint.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deployments.models.adapters import load_adapter
from deployments.niches.niche import Niche
from deployments.recipes.config import TrainConfig
from deployments.recipes.errors import RecipeError
from deployments.recipes.evaluate import Score, evaluate
from deployments.recipes.train import train
from deployments.recipes.workplace import Workplace

__all__ = ["BASE_ROWS", "Finished", "Point", "learning_curve"]

BASE_ROWS = 0
"""The rows of the base model alone, which is the curve's first point."""


@dataclass(frozen=True)
class Point:
    """What so many training rows give.

    Attributes:
        rows: training rows.
        epochs: how often each was to be seen; early stopping may have ended it before.
        steps: that were taken.
        seconds: that training took.
        quality: under the niche's measure, on the test rows.
        low: of its 95 % interval.
        high: of its 95 % interval.
        test_rows: how many were graded.
        cut: answers that the length limit ended.
        mean_answer_tokens: of the answers.
    """

    rows: int
    epochs: int
    steps: int
    seconds: float
    quality: float
    low: float
    high: float
    test_rows: int
    cut: int
    mean_answer_tokens: float


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
        # As JSON gives it back: its lists are no tuples.
        identity = json.loads(json.dumps(common | {"run": what}))
        kept = _read(folder / "point.json", identity)
        if kept is None:
            kept = _point(niche, place, run, folder, test_rows)
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"identity": identity, "point": asdict(kept)}, indent=2)
            (folder / "point.json").write_text(f"{text}\n", encoding="utf-8")
        yield kept


def _read(path: Path, identity: dict[str, Any]) -> Point | None:
    """The point that is there, if it is of the same run."""
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return Point(**found["point"]) if found["identity"] == identity else None


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
    return "adapter", adapter.sha256


def _point(
    niche: Niche,
    place: Workplace,
    run: TrainConfig | Finished | None,
    folder: Path,
    rows: int | None,
) -> Point:
    base, data_dir = place.base_dir, place.data_dir
    if run is None:
        return _graded((BASE_ROWS, 0, 0, 0.0), evaluate(niche, base, None, data_dir, rows))
    if isinstance(run, Finished):
        score = evaluate(niche, base, run.path, data_dir, rows)
        return _graded(_training_of(run.path), score)
    result = train(niche, base, data_dir, folder, run)
    score = evaluate(niche, base, folder / "adapter", data_dir, rows)
    return _graded((result.examples, run.epochs, result.steps, result.seconds), score)


def _training_of(adapter: Path) -> tuple[int, int, int, float]:
    """Rows, epochs, steps and seconds, over all stages; the rows are those of the largest."""
    stages = json.loads((adapter / "niche.json").read_text(encoding="utf-8"))["stages"]
    results = [stage["result"] for stage in stages]
    return (
        max(result["examples"] for result in results),
        sum(stage["config"]["epochs"] for stage in stages),
        sum(result["steps"] for result in results),
        sum(result["seconds"] for result in results),
    )


def _graded(training: tuple[int, int, int, float], score: Score) -> Point:
    return Point(
        *training,
        quality=score.quality,
        low=score.low,
        high=score.high,
        test_rows=score.examples,
        cut=score.cut,
        mean_answer_tokens=score.mean_answer_tokens,
    )
