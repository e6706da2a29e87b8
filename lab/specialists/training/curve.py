"""The learning curve: a specialist's quality by its number of training rows.

One specialist per size, each trained from scratch and graded on the same test rows; the rows of a
smaller size are among those of a larger one. Finished sizes are not run again; an interrupted one
resumes from its checkpoint. Written as `curve.json`, `curve.md` and `curve.png`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter

from deployments.models.adapters import CARD, load_adapter
from lab.specialists.errors import RecipeError
from lab.specialists.evaluation.score import Score, evaluate
from lab.specialists.niche import Niche
from lab.specialists.recipe import TrainConfig
from lab.specialists.training.train import train
from lab.specialists.training.workspace import Workspace
from lab.statistics.plots import BLUE, GREY, save, single_axes

_BASE_ROWS = 0
"""The number of rows of the curve's first point, the base model alone."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """The quality at a number of training rows.

    Attributes:
        rows: number of training rows.
        quality: by the niche's measure, on the test rows.
        low: the lower bound of its 95 % interval.
        high: the upper bound.
        test_rows: the number of graded rows.
        cut: answers that the length limit ended.
        mean_answer_tokens: mean tokens of the answers.
        epochs: the planned number; early stopping may have ended the run before.
        steps: training steps.
        seconds: training time.
    """

    rows: int
    quality: float
    low: float
    high: float
    test_rows: int
    cut: int
    mean_answer_tokens: float
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainedAdapter:
    """The directory of a published adapter, for the last point."""

    path: Path


def learning_curve(
    niche: Niche,
    workspace: Workspace,
    runs: Sequence[TrainConfig | TrainedAdapter],
    test_rows: int | None,
) -> Iterator[Point]:
    """Yields the base model's point, then one for each run, as they are done.

    Args:
        niche: the niche.
        workspace: base model, data, and a working directory with a folder per size.
        runs: settings by size, smallest first; their `max_examples` is the size. A published
            adapter replaces a run.
        test_rows: the number of test rows; None: all.

    Raises:
        RecipeError: an example does not fit, a checkpoint belongs to another run, or a finished
            adapter to another niche or base.
        DatasetError: a data set is absent or altered.
    """
    common = {
        "niche": niche.name,
        "base": workspace.base,
        "data": [item.sha256 for item in niche.sources],
        "asked": [niche.system_prompt, niche.graders[0], niche.max_answer_tokens, test_rows],
    }
    for run, (name, what) in [(run, _named(run, niche, workspace)) for run in (None, *runs)]:
        folder = workspace.work_dir / name
        make = partial(_point, niche, workspace, run, folder, test_rows)
        yield _cached(folder, common | {"run": what}, make)


def _named(
    run: TrainConfig | TrainedAdapter | None, niche: Niche, workspace: Workspace
) -> tuple[str, dict[str, Any] | str | None]:
    """The run's folder and its identity."""
    if run is None:
        return "base", None
    if isinstance(run, TrainConfig):
        # The number of threads does not affect the result.
        return f"rows-{run.max_examples or 'all'}", asdict(run) | {"threads": None}
    adapter = load_adapter(str(run.path.resolve()))
    if (adapter.niche, adapter.base) != (niche.name, workspace.base):
        raise RecipeError(
            f"adapter {run.path} is for the niche {adapter.niche!r} on {adapter.base!r}, not for "
            f"{niche.name!r} on {workspace.base!r}; name another, or leave it out"
        )
    _stages(run.path)
    return "adapter", adapter.sha256


def _stages(adapter: Path) -> list[dict[str, Any]]:
    """The stages of its training, from its card."""
    facts = json.loads((adapter / CARD).read_text(encoding="utf-8"))
    if "stages" not in facts:
        raise RecipeError(
            f"adapter {adapter}: its {CARD} does not say how it was trained; name one that was "
            "published, or leave it out"
        )
    return list(facts["stages"])


def _point(
    niche: Niche,
    workspace: Workspace,
    run: TrainConfig | TrainedAdapter | None,
    folder: Path,
    rows: int | None,
) -> Point:
    base, data_dir = workspace.base_dir, workspace.data_dir
    if run is None:
        return Point(rows=_BASE_ROWS, **_figures(evaluate(niche, base, None, data_dir, rows)))
    if isinstance(run, TrainedAdapter):
        return _finished(run.path, evaluate(niche, base, run.path, data_dir, rows))
    result = train(niche, base, data_dir, folder, run)
    return Point(
        rows=result.examples,
        epochs=run.epochs,
        steps=result.steps,
        seconds=result.seconds,
        **_figures(evaluate(niche, base, folder / "adapter", data_dir, rows)),
    )


def _finished(adapter: Path, score: Score) -> Point:
    """Totals over all stages of its training; the rows are those of the largest stage."""
    stages = _stages(adapter)
    results = [stage["result"] for stage in stages]
    return Point(
        rows=max(result["examples"] for result in results),
        epochs=sum(stage["config"]["epochs"] for stage in stages),
        steps=sum(result["steps"] for result in results),
        seconds=sum(result["seconds"] for result in results),
        **_figures(score),
    )


def _figures(score: Score) -> dict[str, Any]:
    """A score as fields of a `Point`."""
    return {
        "quality": score.quality,
        "low": score.low,
        "high": score.high,
        "test_rows": score.examples,
        "cut": score.cut,
        "mean_answer_tokens": score.mean_answer_tokens,
    }


def _cached(folder: Path, identity: dict[str, Any], make: Callable[[], Point]) -> Point:
    """The point stored in the folder, if its identity matches; else a new one.

    Args:
        folder: the folder of this point; created if missing.
        identity: everything that the point depends on, as JSON values.
        make: computes it.
    """
    path = folder / "point.json"
    same = json.loads(json.dumps(identity))  # as it is read back: JSON turns tuples into lists
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["identity"] == same:
            return Point(**found["point"])
    point = make()
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"identity": same, "point": asdict(point)}, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")
    return point


def write_curve(niche: Niche, base: str, points: Sequence[Point], folder: Path) -> None:
    """Writes the three files, replacing existing ones.

    Args:
        niche: the niche of the curve.
        base: the base model's name.
        points: the base model's, then by size; at least one.
        folder: the output folder; created if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "niche": niche.name,
        "base": base,
        "grader": niche.graders[0],
        "datasets": {item.path: item.sha256 for item in niche.sources},
        "points": [asdict(point) for point in points],
    }
    (folder / "curve.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / "curve.md").write_text(_table(niche, base, points), encoding="utf-8")
    _draw(niche, points, folder / "curve.png")


def _table(niche: Niche, base: str, points: Sequence[Point]) -> str:
    return "\n".join(
        [
            f"# {niche.name}: quality by training rows, on {base}",
            "",
            "| training rows | quality [95 % interval] | cut at the limit | tokens per answer "
            "| epochs | steps | seconds |",
            "|---|---|---|---|---|---|---|",
            *(_line(point) for point in points),
            "",
            f"Graded by `{niche.graders[0]}` on the same {points[0].test_rows:,} test rows, greedy "
            "decoding. Rows of a smaller size are among those of a larger one; 0 is the base model "
            "alone, with the same system prompt. Steps are those until early stopping, which "
            "looks at validation rows; these come on top of every size.",
            "",
        ]
    )


def _line(point: Point) -> str:
    return (
        f"| {point.rows:,} | {point.quality:.3f} [{point.low:.3f}, {point.high:.3f}] "
        f"| {point.cut / point.test_rows:.1%} | {point.mean_answer_tokens:.1f} "
        f"| {point.epochs} | {point.steps:,} | {point.seconds:,.0f} |"
    )


def _draw(niche: Niche, points: Sequence[Point], path: Path) -> None:
    """Draws without a display or global state."""
    trained = [point for point in points if point.rows > _BASE_ROWS]
    sizes = [point.rows for point in trained]
    figure, axes = single_axes(6, 4.2)
    axes.errorbar(
        sizes,
        [point.quality for point in trained],
        yerr=[
            [max(0, point.quality - point.low) for point in trained],  # except for rounding
            [max(0, point.high - point.quality) for point in trained],
        ],
        fmt="o-",
        color=BLUE,
        capsize=4,
        label=f"{niche.name}, with 95 % intervals",
    )
    for point in points:
        if point.rows == _BASE_ROWS:
            label = "base model, same system prompt"
            axes.axhline(point.quality, linestyle="--", color=GREY, label=label)
    axes.set(
        ylim=(-0.02, 1.05),
        xlabel="training rows",
        ylabel=f"quality ({niche.graders[0]})",
        title=f"{niche.name}: learning curve, {points[0].test_rows:,} test rows",
        xscale="log",
    )
    axes.grid(alpha=0.3)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    # Ticks at the sizes, not at powers of ten.
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    save(figure, path, legend_columns=2)
