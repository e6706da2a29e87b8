"""MMLU's questions in the 14 groups of MMLU-Pro, against TF-IDF and a fine-tuned encoder.

Five folds, questions of the same wording in one of them; in each, a tenth of the training rows
chooses the settings. Fine-tuning takes long, so it is measured on the first fold, and compared
there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product, starmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from router.benchmarks.figures import Bar, Figure, Result, bootstrap, macro_f1
from router.benchmarks.fine_tuned import Labelled, Recipe, fine_tune
from router.benchmarks.folds import folds, held_out
from router.benchmarks.learning import Settings, choose
from router.benchmarks.words import Words
from router.classifier import TextEncoder
from router.data.rows import LabelledRow
from router.training.fit import Part, fit_head

__all__ = ["mmlu14"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Progress = Callable[[str], object]

FOLDS = 5
_GRID = tuple(starmap(Settings, product((1, 3, 5), (3.0, 10.0))))
_RECIPE = Recipe(learning_rates=(1e-4,), epochs=3)


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    classes: tuple[str, ...]
    texts: list[str]
    groups: list[str]
    truth: Indices
    vectors: Floats

    def labelled(self, at: Indices) -> Labelled:
        return Labelled([self.texts[index] for index in at], self.truth[at])

    def part(self, at: Indices) -> Part:
        return Part(self.vectors[at], self.truth[at])


def mmlu14(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    model: Path | None,
    progress: Progress = lambda _: None,
) -> Result:
    """Macro-F1 over 14 groups, ours and the baselines'.

    Args:
        rows: questions; `domain` is the group.
        encoder: turns texts into vectors.
        model: what is fine-tuned, a directory as transformers reads it; None leaves that out.
        progress: told of each step.
    """
    texts = [row.text.strip() for row in rows]
    classes = tuple(sorted({row.domain for row in rows}))
    task = _Task(
        classes,
        texts,
        [row.group for row in rows],
        np.array([classes.index(row.domain) for row in rows]),
        encoder.encode(texts).vectors,
    )
    fold = folds(task.groups, FOLDS)
    ours, words = np.zeros_like(fold), np.zeros_like(fold)
    for number in range(FOLDS):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        aside = held_out([task.groups[at] for at in train], 0.1)
        ours[test] = _ours(task, train, aside, test, progress)
        baseline = Words(task.labelled(train[~aside]), task.labelled(train[aside]))
        words[test] = baseline.probabilities([texts[at] for at in test]).argmax(axis=1)
        progress(f"fold {number + 1} of {FOLDS}: {_f1(task.truth, ours, test):.4f}")
    figures = [
        _figure("macro-F1, 5 folds", task.truth, ours),
        _figure("macro-F1 of TF-IDF", task.truth, words),
        Figure("accuracy", float((ours == task.truth).mean())),
    ]
    if model is not None:
        figures += _against_fine_tuned(task, fold, ours, model, progress)
    return Result(
        "mmlu14",
        tuple(figures),
        (f"{len(rows)} questions without their choices, {len(set(task.groups))} wordings.",),
    )


def _ours(
    task: _Task, train: Indices, aside: NDArray[np.bool_], test: Indices, progress: Progress
) -> Indices:
    """First choices for the test rows, of a head fitted on all training rows."""
    fit, check = task.part(train[~aside]), task.part(train[aside])
    _, settings = choose(task.classes, fit, check, _GRID, progress)
    head = fit_head(task.classes, task.part(train), *settings, 0)
    return np.asarray(head.probabilities(head.logits(task.vectors[test])).argmax(axis=1))


def _against_fine_tuned(
    task: _Task, fold: Indices, ours: Indices, model: Path, progress: Progress
) -> list[Figure]:
    """Both on the first fold, and the difference, positive where ours is better."""
    train, test = np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)
    aside = held_out([task.groups[at] for at in train], 0.1)
    tuned = fine_tune(
        model, task.labelled(train[~aside]), task.labelled(train[aside]), _RECIPE, progress
    )
    truth, own = task.truth[test], ours[test]
    theirs = tuned.probabilities([task.texts[at] for at in test]).argmax(axis=1)

    def lead(at: Indices) -> float:
        return macro_f1(truth[at], own[at]) - macro_f1(truth[at], theirs[at])

    everything = np.arange(len(test))
    return [
        _figure("macro-F1, first fold", truth, own),
        _figure("macro-F1 of the fine-tuned encoder, first fold", truth, theirs),
        Figure(
            "ours less the fine-tuned encoder's",
            lead(everything),
            bootstrap(lead, len(test)),
            Bar(0.0),
        ),
    ]


def _figure(name: str, truth: Indices, chosen: Indices) -> Figure:
    interval = bootstrap(lambda at: macro_f1(truth[at], chosen[at]), len(truth))
    return Figure(name, macro_f1(truth, chosen), interval)


def _f1(truth: Indices, chosen: Indices, at: Indices) -> float:
    return macro_f1(truth[at], chosen[at])
