"""MMLU's questions in the 14 groups of MMLU-Pro, against TF-IDF and a fine-tuned encoder.

The subjects within the groups are known, so a router can learn the subjects and roll them up into
groups; without such labels, k-means finds sub-clusters. Both are shown.

Five folds, questions of the same wording in one of them; in each, a tenth of the training rows
chooses the settings. Fine-tuning takes long, so it is measured on the first fold, and compared
there; it learns the subjects too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product, starmap
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import hstack
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from lab.benchmarks.figures import Bar, Figure, Result, macro_f1
from lab.benchmarks.fine_tuned import Labelled, Recipe, fine_tune
from lab.benchmarks.folds import folds, held_out
from lab.benchmarks.learning import Settings, choose
from lab.routing.fit import Part, fit_head
from lab.routing.metrics import log_loss
from lab.routing.rows import LabelledRow
from lab.statistics.bootstrap import bootstrap
from router.classifier import TextEncoder

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
Progress = Callable[[str], object]

FOLDS = 5
_SUBJECTS, _CLUSTERS = "subjects, rolled up", "sub-clusters by k-means"
_BESIDE, _WORDS = "subjects, with words and vectors", "TF-IDF alone"
_GRID = tuple(starmap(Settings, product((1, 3, 5), (3.0, 10.0))))
_FINE_GRID = tuple(Settings(1, strength) for strength in (3.0, 10.0, 30.0))
_RECIPE = Recipe(learning_rates=(1e-4,), epochs=3)


class FineRow(LabelledRow, Protocol):
    """A row with a finer label."""

    @property
    def fine(self) -> str:
        """The subject within the group; a subject is in one group."""


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """All rows; `roll_up` has a row per subject and a column per group."""

    groups: tuple[str, ...]
    subjects: tuple[str, ...]
    roll_up: Doubles
    texts: list[str]
    alike: list[str]
    truth: Indices
    fine: Indices
    vectors: Floats

    def labelled(self, at: Indices, truth: Indices) -> Labelled:
        return Labelled([self.texts[index] for index in at.tolist()], truth[at])


def mmlu14(
    rows: Sequence[FineRow],
    encoder: TextEncoder,
    model: Path | None,
    progress: Progress = lambda _: None,
) -> Result:
    """Macro-F1 over 14 groups, ours and the baselines'.

    Args:
        rows: questions; `domain` is the group, `fine` the subject.
        encoder: turns texts into vectors.
        model: the directory of the transformers model to fine-tune; None skips fine-tuning.
        progress: called on each step.
    """
    task = _task(rows, encoder)
    fold = folds(task.alike, FOLDS)
    chosen = {name: np.zeros_like(fold) for name in (_SUBJECTS, _CLUSTERS, _BESIDE, _WORDS)}
    for number in range(FOLDS):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        for name, found in _answers(task, train, test, encoder, progress).items():
            chosen[name][test] = found.argmax(axis=1)
            score = macro_f1(task.truth[test], chosen[name][test])
            progress(f"fold {number + 1} of {FOLDS}, {name}: {score:.4f}")
    figures = [_figure(f"macro-F1, {name}", task.truth, found) for name, found in chosen.items()]
    figures.append(Figure("accuracy", float((chosen[_SUBJECTS] == task.truth).mean())))
    if model is not None:
        figures += _against_fine_tuned(task, fold, chosen, model, progress)
    note = f"{len(rows)} questions without their choices, {len(set(task.alike))} wordings."
    return Result("mmlu14", tuple(figures), (note,))


def _task(rows: Sequence[FineRow], encoder: TextEncoder) -> _Task:
    texts = [row.text.strip() for row in rows]
    groups = tuple(sorted({row.domain for row in rows}))
    table = {row.fine: groups.index(row.domain) for row in rows}
    subjects = tuple(sorted(table))
    return _Task(
        groups=groups,
        subjects=subjects,
        roll_up=np.eye(len(groups))[[table[subject] for subject in subjects]],
        texts=texts,
        alike=[row.group for row in rows],
        truth=np.array([groups.index(row.domain) for row in rows]),
        fine=np.array([subjects.index(row.fine) for row in rows]),
        vectors=encoder.encode(texts).vectors,
    )


def _answers(
    task: _Task, train: Indices, test: Indices, encoder: TextEncoder, progress: Progress
) -> dict[str, Doubles]:
    """Probabilities of the groups for the test rows, by each method."""
    fit, check = _parted(task, train)
    texts = [task.texts[index] for index in test.tolist()]
    words = Words(task.labelled(fit, task.truth), task.labelled(check, task.truth))
    beside = Words(
        task.labelled(fit, task.fine),
        task.labelled(check, task.fine),
        lambda of: encoder.encode(of).vectors,
        (10.0,),
    )
    return {
        _SUBJECTS: _head(task, task.subjects, task.fine, _FINE_GRID, (train, test), progress)
        @ task.roll_up,
        _CLUSTERS: _head(task, task.groups, task.truth, _GRID, (train, test), progress),
        _BESIDE: beside.probabilities(texts) @ task.roll_up,
        _WORDS: words.probabilities(texts),
    }


def _head(
    task: _Task,
    classes: tuple[str, ...],
    truth: Indices,
    grid: Sequence[Settings],
    parts: tuple[Indices, Indices],
    progress: Progress,
) -> Doubles:
    """Probabilities for the test rows, of a head fitted on all training rows."""
    train, test = parts
    fit, check = (Part(task.vectors[at], truth[at]) for at in _parted(task, train))
    _, settings = choose(classes, fit, check, grid)
    progress(f"{settings.sub_clusters} sub-clusters, C {settings.strength:g}")
    head = fit_head(classes, Part(task.vectors[train], truth[train]), *settings, 0)
    return head.probabilities(head.logits(task.vectors[test]))


def _against_fine_tuned(
    task: _Task, fold: Indices, chosen: dict[str, Indices], model: Path, progress: Progress
) -> list[Figure]:
    """All methods on the first fold, and the differences, positive if ours is better."""
    train, test = np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)
    fit, check = (task.labelled(at, task.fine) for at in _parted(task, train))
    tuned = fine_tune(model, fit, check, _RECIPE, progress)
    found = tuned.probabilities([task.texts[index] for index in test.tolist()])
    truth, theirs = task.truth[test], (found @ task.roll_up).argmax(axis=1)
    figures = [_figure("macro-F1 of the fine-tuned encoder, first fold", truth, theirs)]
    for name in (_SUBJECTS, _BESIDE):
        own = chosen[name][test]
        lead = _lead(truth, own, theirs)
        interval = bootstrap(lead, len(test))
        figures += [
            _figure(f"macro-F1, {name}, first fold", truth, own),
            Figure("less the fine-tuned encoder's", lead(np.arange(len(test))), interval, Bar(0.0)),
        ]
    return figures


def _lead(truth: Indices, own: Indices, theirs: Indices) -> Callable[[Indices], float]:
    return lambda at: macro_f1(truth[at], own[at]) - macro_f1(truth[at], theirs[at])


def _parted(task: _Task, train: Indices) -> tuple[Indices, Indices]:
    """Splits the training rows: nine tenths to fit, one tenth to choose settings."""
    aside = held_out([task.alike[index] for index in train.tolist()], 0.1)
    return train[~aside], train[aside]


def _figure(name: str, truth: Indices, chosen: Indices) -> Figure:
    interval = bootstrap(lambda at: macro_f1(truth[at], chosen[at]), len(truth))
    return Figure(name, macro_f1(truth, chosen), interval)


_STRENGTHS = (10.0, 100.0)


class Words:
    """A classifier on words, pairs of words, and two to five characters.

    Args:
        train: rows to fit on.
        validation: rows that choose the C of the regression.
        vectors: returns vectors of length 1 as additional features; None: words only.
        strengths: values of C.
    """

    def __init__(
        self,
        train: Labelled,
        validation: Labelled,
        vectors: Callable[[Sequence[str]], Floats] | None = None,
        strengths: Sequence[float] = _STRENGTHS,
    ) -> None:
        self._vectors = vectors
        self._counts: Any = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
        )
        self._counts.fit(train.texts)
        features = self._features(train.texts)
        losses = {}
        with threadpool_limits(1):
            for strength in strengths:
                # A tighter tolerance takes most of the time and changes no figure.
                model = LogisticRegression(C=strength, max_iter=300, tol=1e-3)
                self._model = model.fit(features, train.truth)
                losses[log_loss(self.probabilities(validation.texts), validation.truth)] = model
        self._model = losses[min(losses)]

    def logits(self, texts: Sequence[str]) -> Doubles:
        """Logits of n texts, shape (n, classes), for three classes or more."""
        return np.asarray(self._model.decision_function(self._features(texts)))

    def probabilities(self, texts: Sequence[str]) -> Doubles:
        """Probability of each class, shape (n, classes)."""
        return np.asarray(softmax(self.logits(texts), axis=1))

    def _features(self, texts: Sequence[str]) -> Any:
        counted = self._counts.transform(texts)
        return counted if self._vectors is None else hstack([counted, self._vectors(texts)]).tocsr()
