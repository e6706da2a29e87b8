"""RouteLLM's published MMLU outcomes: which questions to send to the strong model.

Weak is Mixtral 8x7B, strong is GPT-4 (1106). A router ranks questions by the gain it expects from
the strong one. PGR is the share of the whole gain that is recovered; APGR its mean over the
share of calls to the strong model; CPT(50) the share of calls that recovers half of the gain.

Rule: the router sees only the text, and outcomes of training folds, which also choose its settings.
The two steps are those of the product: first the domain, then the models' scores in that domain. A
ridge regression on the vectors adds information beyond the domain.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from lab.benchmarks.figures import Bar, Figure, Result
from lab.benchmarks.folds import folds, held_out
from lab.routing.rows import LabelledRow, excess_loss
from lab.statistics.bootstrap import bootstrap
from lab.statistics.table import Table
from router.classifier import TextEncoder

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
Progress = Callable[[str], object]

FOLDS = 5
ODD_SUBJECT = "high_school_mathematics"
"""On this subject the strong model's published answers score far below the weak one's, probably a
parsing error; figures are also given without it."""

_PRIOR = 20.0
"""The number of pseudo-questions with the average gain, added to each subject."""
_STRENGTHS = (3.0, 10.0)
_PENALTIES = (3.0, 10.0, 30.0)
_WORDS_PENALTY = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """The subject and the gain of each row, shape (n,)."""

    texts: list[str]
    groups: list[str]
    subjects: NDArray[np.str_]
    gain: Doubles
    vectors: Floats


def routellm(
    rows: Sequence[LabelledRow], encoder: TextEncoder, progress: Progress = lambda _: None
) -> Result:
    """APGR, CPT(50) and CPT(80) of the router and of its baselines.

    Args:
        rows: `domain` is the subject, `excess_loss` the gain of the strong model.
        encoder: turns texts into vectors.
        progress: called on each step.
    """
    texts = [row.text.strip() for row in rows]
    task = _Task(
        texts,
        [row.group for row in rows],
        np.array([row.domain for row in rows]),
        np.array([excess_loss(row) for row in rows]),
        encoder.encode(texts).vectors,
    )
    scores = _scores(task, progress)
    kept = np.flatnonzero(task.subjects != ODD_SUBJECT)
    ours = scores["two steps + ridge"]
    figures = (
        *_figures(ours, task.gain, "", (Bar(0.68), Bar(27, at_most=True), Bar(58, at_most=True))),
        *_figures(ours[kept], task.gain[kept], f", without {ODD_SUBJECT}", (None, None, None)),
    )
    return Result(
        "routellm",
        figures,
        (
            f"{len(rows)} questions, {FOLDS} folds, questions of the same wording in one fold; "
            "the gains of training folds are known to the router, which RouteLLM's own are not.",
        ),
        (
            _table(scores, task.gain),
            _table({k: v[kept] for k, v in scores.items()}, task.gain[kept]),
        ),
    )


def apgr(score: Doubles, gain: Doubles) -> float:
    """Mean share of the gain recovered if the highest scores go to the strong model first.

    Args:
        score: expected gain of each row, shape (n,).
        gain: true gain of each row; their sum must not be 0.
    """
    recovered = _recovered(score, gain)
    return float(np.trapezoid(recovered, dx=1 / len(gain)))


def calls_to_reach(score: Doubles, gain: Doubles, wanted: float) -> float:
    """The smallest share of calls to the strong model, in percent, that recovers `wanted` of the
    gain."""
    return 100 * int(np.argmax(_recovered(score, gain) >= wanted)) / len(gain)


def expected_gain(subjects: NDArray[np.str_], gain: Doubles, names: Sequence[str]) -> Doubles:
    """Mean gain of each named subject, shrunk towards the overall mean.

    Args:
        subjects: the subject of each row, shape (n,).
        gain: the gain of each row, shape (n,), or k values per row, shape (n, k).
        names: the subjects to return; one without rows has the overall mean.

    Returns:
        Shape (names,), or (names, k).
    """
    mean = gain.mean(axis=0)
    own = [gain[subjects == name] for name in names]
    return np.array([(part.sum(axis=0) + _PRIOR * mean) / (len(part) + _PRIOR) for part in own])


def by_two_steps(
    vectors: tuple[Floats, Floats], subjects: NDArray[np.str_], gain: Doubles, strength: float
) -> Doubles:
    """Expected gains of rows without subjects: the mean over their likely subjects.

    Args:
        vectors: of the n training rows and of the m rows to predict.
        subjects: of the training rows.
        gain: of the training rows, shape (n,) or (n, k).
        strength: how closely the classifier follows its rows (`C` of a logistic regression).

    Returns:
        Shape (m,) or (m, k).
    """
    model = LogisticRegression(C=strength, max_iter=2000).fit(vectors[0], subjects)
    table = expected_gain(subjects, gain, model.classes_.tolist())
    return np.asarray(model.predict_proba(vectors[1]) @ table)


def by_ridge(vectors: tuple[Floats, Floats], gain: Doubles, penalty: float) -> Doubles:
    """Expected gains by ridge regression on the vectors; shapes as in `by_two_steps`."""
    model = Ridge(alpha=penalty).fit(vectors[0], gain)
    return np.asarray(model.predict(vectors[1]), np.float64)


def _recovered(score: Doubles, gain: Doubles) -> Doubles:
    order = np.argsort(-score, kind="stable")
    return np.concatenate([[0.0], np.cumsum(gain[order])]) / gain.sum()


def _scores(task: _Task, progress: Progress) -> dict[str, Doubles]:
    """Each router's expected gains, from models that were not fitted on the row."""
    fold = folds(task.groups, FOLDS)
    names = ("two steps + ridge", "two steps", "ridge", "TF-IDF ridge", "true subject (oracle)")
    scores = {name: np.zeros(len(fold)) for name in names}
    with threadpool_limits(1):
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3)
        counted = words.fit_transform(task.texts)
        for number in range(FOLDS):
            train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            steps, ridge, settings = _ours(task, train, test)
            progress(f"fold {number + 1} of {FOLDS}: {settings}")
            by_words = Ridge(alpha=_WORDS_PENALTY).fit(counted[train], task.gain[train])
            subjects, place = np.unique(task.subjects[test], return_inverse=True)
            known = expected_gain(task.subjects[train], task.gain[train], subjects.tolist())
            found = (steps + ridge, steps, ridge, by_words.predict(counted[test]), known[place])
            for name, part in zip(names, found, strict=True):
                scores[name][test] = part
    return scores | {"true gain (oracle)": task.gain}


def _ours(task: _Task, train: Indices, test: Indices) -> tuple[Doubles, Doubles, str]:
    """Expected gains of the test rows by two steps and by ridge, and the settings chosen."""
    aside = held_out([task.groups[index] for index in train], 0.2)
    fit, check = train[~aside], train[aside]
    gain = task.gain[check]
    strength = max(_STRENGTHS, key=lambda s: apgr(_two_steps(task, fit, check, s), gain))
    penalty = max(_PENALTIES, key=lambda p: apgr(_ridge(task, fit, check, p), gain))
    return (
        _two_steps(task, train, test, strength),
        _ridge(task, train, test, penalty),
        f"C {strength:g}, ridge penalty {penalty:g}",
    )


def _two_steps(task: _Task, train: Indices, test: Indices, strength: float) -> Doubles:
    vectors = task.vectors[train], task.vectors[test]
    return by_two_steps(vectors, task.subjects[train], task.gain[train], strength)


def _ridge(task: _Task, train: Indices, test: Indices, penalty: float) -> Doubles:
    return by_ridge((task.vectors[train], task.vectors[test]), task.gain[train], penalty)


def _figures(
    score: Doubles, gain: Doubles, suffix: str, bars: tuple[Bar | None, Bar | None, Bar | None]
) -> tuple[Figure, ...]:
    measures: tuple[tuple[str, Callable[[Doubles, Doubles], float]], ...] = (
        ("APGR", apgr),
        ("CPT(50), %", lambda s, g: calls_to_reach(s, g, 0.5)),
        ("CPT(80), %", lambda s, g: calls_to_reach(s, g, 0.8)),
    )
    return tuple(
        Figure(
            f"{name}{suffix}",
            measure(score, gain),
            bootstrap(lambda rows, m=measure: m(score[rows], gain[rows]), len(gain)),  # type: ignore[misc]  # a default binds the loop's value
            bar,
        )
        for (name, measure), bar in zip(measures, bars, strict=True)
    )


def _table(scores: dict[str, Doubles], gain: Doubles) -> Table:
    found = tuple(
        (
            name,
            f"{apgr(score, gain):.3f}",
            f"{calls_to_reach(score, gain, 0.5):.1f}",
            f"{calls_to_reach(score, gain, 0.8):.1f}",
        )
        for name, score in scores.items()
    )
    return Table(
        (f"router, {len(gain)} questions", "APGR", "CPT(50), %", "CPT(80), %"),
        (*found, ("random, on average", "0.500", "50.0", "80.0")),
    )
