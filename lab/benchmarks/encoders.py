"""Encoders and heads side by side: what each finds, what it misses, and what a text costs.

All see the same rows, and choose their settings on the same validation rows. Times are of one text
at a time on one CPU thread, taken in turns in the same run. The fine-tuned encoder runs in torch;
converted as the frozen one is, it would cost what that one costs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from sklearn.metrics import roc_auc_score

from lab.benchmarks.figures import macro_f1
from lab.benchmarks.fine_tuned import Labelled, Recipe, fine_tune
from lab.benchmarks.learning import Settings, choose, detector_of
from lab.benchmarks.words import Words
from lab.routing.fit import Part, fit_prototypes
from lab.routing.tables import Table
from lab.routing.train import TrainConfig
from router.classifier import TextEncoder
from router.ood import OodDetector, Scale, nearest
from router.types import GENERAL

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Progress = Callable[[str], object]

_TIMED, _WARM_UP = 150, 10


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A data set that is the same for all.

    Attributes:
        name: of the set.
        classes: the domains; `general` may be one of them.
        train: rows to fit on.
        validation: rows that choose.
        test: rows to measure on.
        outside: test texts that belong to none of the classes; none where the set has no such.
        elsewhere: rows of sources that `train` has nothing of; None where the set has no such.
    """

    name: str
    classes: tuple[str, ...]
    train: Labelled
    validation: Labelled
    test: Labelled
    outside: Sequence[str] = ()
    elsewhere: Labelled | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Of n texts: the probability of each class (n, classes), and the OOD score (n,)."""

    probabilities: Doubles
    ood_scores: Doubles


class Contender(Protocol):
    """A way from texts to answers."""

    @property
    def name(self) -> str:
        """What it is called in the table."""

    def fit(self, task: Task, progress: Progress) -> Callable[[Sequence[str]], Answers]:
        """What answers, once fitted."""


@dataclass(frozen=True, slots=True)
class _ByWords:
    name: str = "TF-IDF + linear"

    def fit(self, task: Task, progress: Progress) -> Callable[[Sequence[str]], Answers]:
        del progress  # it is soon done
        words = Words(task.train, task.validation)

        def answer(texts: Sequence[str]) -> Answers:
            logits = words.logits(texts)
            return Answers(np.asarray(softmax(logits, axis=1)), -_energy(task.classes, logits))

        return answer


@dataclass(frozen=True, slots=True)
class _OnVectors:
    """A head on fixed vectors, of which `width` are used."""

    name: str
    encoder: TextEncoder
    grid: tuple[Settings, ...]
    width: int | None = None

    def fit(self, task: Task, progress: Progress) -> Callable[[Sequence[str]], Answers]:
        fit = Part(self._vectors(task.train.texts), task.train.truth)
        check = Part(self._vectors(task.validation.texts), task.validation.truth)
        progress(self.name)
        head, _ = choose(task.classes, fit, check, self.grid, progress)
        detector = detector_of(head, fit, check)

        def answer(texts: Sequence[str]) -> Answers:
            vectors = self._vectors(texts)
            logits = head.logits(vectors)
            return Answers(
                head.probabilities(logits), detector.scores(head.negative_energy(logits), vectors)
            )

        return answer

    def _vectors(self, texts: Sequence[str]) -> Floats:
        vectors = self.encoder.encode([text.strip() for text in texts]).vectors
        if self.width is None:
            return vectors
        part = vectors[:, : self.width]
        return np.asarray(part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9))


@dataclass(frozen=True, slots=True)
class _FineTuned:
    path: Path
    recipe: Recipe
    name: str = "fine-tuned MiniLM"

    def fit(self, task: Task, progress: Progress) -> Callable[[Sequence[str]], Answers]:
        model = fine_tune(self.path, task.train, task.validation, self.recipe, progress)
        _, trained = model.encode(task.train.texts)
        logits, held_out = model.encode(task.validation.texts)
        detector = _detector(
            task.classes,
            Part(trained, task.train.truth),
            Part(held_out, task.validation.truth),
            _energy(task.classes, logits),
        )

        def answer(texts: Sequence[str]) -> Answers:
            logits, vectors = model.encode(texts)
            scores = detector.scores(_energy(task.classes, logits), vectors)
            return Answers(np.asarray(softmax(logits, axis=1)), scores)

        return answer


def contenders(
    encoder: TextEncoder, static: Sequence[TextEncoder], model: Path | None, hidden: int = 384
) -> list[Contender]:
    """All that are compared.

    Args:
        encoder: the router's; its vectors begin with those of the last layer.
        static: static embeddings.
        model: what is fine-tuned, a directory as transformers reads it; None leaves that out.
        hidden: width of a layer.
    """
    linear = tuple(Settings(1, strength) for strength in (10.0, 30.0, 100.0))
    config = TrainConfig()
    more = (Settings(count, config.inverse_regularisation) for count in config.sub_clusters[1:])
    found: list[Contender] = [_ByWords()]
    found += [_OnVectors(f"static ({one.name}) + linear", one, linear) for one in static]
    found += [
        _OnVectors("frozen, last layer + linear", encoder, linear, hidden),
        _OnVectors("frozen, three layers + linear", encoder, linear),
        _OnVectors("frozen, three layers + sub-clusters", encoder, (*linear, *more)),
    ]
    return found if model is None else [*found, _FineTuned(model, Recipe())]


def compare(task: Task, among: Sequence[Contender], progress: Progress = lambda _: None) -> Table:
    """Accuracy, macro-F1, out-of-scope AUROC and time per text of each.

    Args:
        task: the data set.
        among: who is compared.
        progress: told of each step.
    """
    answering = []
    for contender in among:
        progress(f"{task.name}: {contender.name}")
        answering.append(contender.fit(task, progress))
    times = _milliseconds(answering, task.test.texts[: _TIMED + _WARM_UP])
    rows = [
        (contender.name, *_measured(answer, task), f"{time:.2f}")
        for contender, answer, time in zip(among, answering, times, strict=True)
    ]
    figures = ("accuracy", "macro-F1", "accuracy on other sources", "out-of-scope AUROC")
    titles = (task.name, *figures, "ms per text")
    return Table(titles, tuple(rows))


def _measured(answer: Callable[[Sequence[str]], Answers], task: Task) -> tuple[str, str, str, str]:
    inside = answer(task.test.texts)
    truth, chosen = task.test.truth, inside.probabilities.argmax(axis=1)
    belongs = _niches(task.classes)[truth]
    scores = inside.ood_scores
    if task.outside:
        scores = np.concatenate([scores, answer(task.outside).ood_scores])
        belongs = np.concatenate([belongs, np.zeros(len(task.outside), np.bool_)])
    elsewhere = ""
    if task.elsewhere is not None:
        found = answer(task.elsewhere.texts).probabilities.argmax(axis=1)
        elsewhere = f"{(found == task.elsewhere.truth).mean():.4f}"
    auroc = "" if belongs.all() else f"{roc_auc_score(~belongs, scores):.4f}"
    return f"{(chosen == truth).mean():.4f}", f"{macro_f1(truth, chosen):.4f}", elsewhere, auroc


def _milliseconds(
    answering: Sequence[Callable[[Sequence[str]], Answers]], texts: Sequence[str]
) -> list[float]:
    """Median time of a text for each, in turns, so that a busy moment touches all."""
    times: list[list[float]] = [[] for _ in answering]
    for text in texts:
        for own, answer in zip(times, answering, strict=True):
            start = time.perf_counter()
            answer([text])
            own.append(time.perf_counter() - start)
    return [1000 * float(np.median(own[_WARM_UP:])) for own in times]


def _niches(classes: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([name != GENERAL for name in classes])


def _energy(classes: Sequence[str], logits: Doubles) -> Doubles:
    return np.asarray(logsumexp(logits[:, _niches(classes)], axis=1))


def _detector(classes: Sequence[str], fit: Part, check: Part, energy: Doubles) -> OodDetector:
    """The OOD score as the router measures it, from the energies of the validation rows."""
    config = TrainConfig()
    prototypes = fit_prototypes(
        classes, fit, config.prototypes, config.most_prototypes, config.seed
    )
    own = _niches(classes)[check.truth]
    likeness = nearest(prototypes, check.vectors[own])
    return OodDetector(prototypes, Scale.of(energy[own]), Scale.of(likeness))
