"""Labelled prompts to an artifact: split, cluster, fit, calibrate, measure, write.

Inside each domain k-means finds sub-clusters; one logistic regression tells all of them apart; a
domain's probability is the sum over its own. Everything that is chosen is chosen on validation
rows; the test and unseen rows are looked at once, for the report. The same rows, encoder and seed
give the same artifact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from router.artifact import load_artifact, save_artifact
from router.calibration import choose_confidence, choose_temperature, log_loss
from router.classifier import Encoded, Exemplars, TextEncoder
from router.errors import TrainingError
from router.evaluate import evaluate
from router.head import Head
from router.report import Choice, Report
from router.rows import SPLITS, LabelledRow, Row, Splits, fingerprint, separate
from router.types import GENERAL

__all__ = ["Report", "Row", "TrainConfig", "train"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Settings of a training.

    Attributes:
        sub_clusters: numbers of sub-clusters per domain to try; validation chooses.
        inverse_regularisation: scikit-learn's C of the logistic regression.
        scope_quantile: share of the specialists' validation rows that may look out of scope.
        max_misroutes: share of wrong ones among the validation rows that a specialist gets.
        near_duplicate: cosine from which two texts count as the same when splits are separated.
        exemplars: training prompts to keep for explanations.
        seed: of k-means.
    """

    sub_clusters: tuple[int, ...] = (1, 5, 10, 15, 25)
    inverse_regularisation: float = 30.0
    scope_quantile: float = 0.05
    max_misroutes: float = 0.01
    near_duplicate: float = 0.95
    exemplars: int = 180
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    vectors: Floats
    truth: Indices


def train(
    rows: Sequence[LabelledRow], encoder: TextEncoder, out: Path, config: TrainConfig | None = None
) -> Report:
    """Trains a router and writes `artifact.json`, `head.safetensors` and `report.md` into `out`.

    Args:
        rows: labelled texts; `GENERAL` must be one of the domains.
        encoder: turns texts into vectors; the artifact is bound to it.
        out: the artifact's directory.
        config: settings.

    Raises:
        TrainingError: a domain lacks rows in training, validation or test.
    """
    config = config or TrainConfig()
    memory = _Memory(encoder)
    vectors = memory.encode([row.text.strip() for row in rows]).vectors
    splits = separate(rows, vectors, config.near_duplicate)
    head, choices = _learn(rows, vectors, splits, config)
    kept, test, unseen = (
        [rows[index] for index in part] for part in (splits.train, splits.test, splits.unseen)
    )
    exemplars = _exemplars(head, kept, vectors[splits.train], config.exemplars)
    data_sha256 = fingerprint(kept)
    save_artifact(out, head, exemplars, encoder, data_sha256, metrics={})
    # What is measured is what was read back from disk: the router that will serve.
    served = load_artifact(out, memory)
    report = Report(
        encoder=encoder.name,
        data_sha256=data_sha256,
        sizes={name: len(getattr(splits, name)) for name in SPLITS},
        dropped=splits.dropped,
        choices=choices,
        head=head,
        test=evaluate(served, test),
        unseen=evaluate(served, unseen) if unseen else None,
    )
    save_artifact(out, head, exemplars, encoder, data_sha256, report.test.metrics())
    (out / "report.md").write_text(report.markdown(), encoding="utf-8")
    return report


def _learn(
    rows: Sequence[LabelledRow], vectors: Floats, splits: Splits, config: TrainConfig
) -> tuple[Head, tuple[Choice, ...]]:
    """The calibrated head, from the rows of training and validation alone."""
    classes = _classes(rows)
    truth = np.array([classes.index(row.domain) for row in rows])
    for name in SPLITS[:-1]:
        _require_every_domain(name, classes, truth[getattr(splits, name)])
    fit = _Part(vectors[splits.train], truth[splits.train])
    validation = _Part(vectors[splits.validation], truth[splits.validation])
    head, choices = _choose_head(classes, fit, validation, config)
    return _calibrate(head, validation, config), choices


class _Memory:
    """An encoder that keeps what it has encoded, so that each text is encoded once."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, tuple[Floats, bool]] = {}
        self.name, self.sha256 = encoder.name, encoder.sha256

    def encode(self, texts: Sequence[str]) -> Encoded:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        found = self._encoder.encode(new)
        self._known |= {
            text: (vector, bool(cut))
            for text, vector, cut in zip(new, found.vectors, found.truncated, strict=True)
        }
        vectors, truncated = zip(*(self._known[text] for text in texts), strict=True)
        return Encoded(np.array(vectors), np.array(truncated))


def _classes(rows: Sequence[LabelledRow]) -> tuple[str, ...]:
    classes = tuple(sorted({row.domain for row in rows}))
    if GENERAL not in classes or len(classes) < 2:
        raise TrainingError(
            f"the rows have the domains {classes}; needed are {GENERAL!r} and at least one niche"
        )
    return classes


def _require_every_domain(split: str, classes: Sequence[str], truth: Indices) -> None:
    absent = [domain for index, domain in enumerate(classes) if not (truth == index).any()]
    if absent:
        raise TrainingError(
            f"no {split} rows of {', '.join(absent)} are left after separating the splits; "
            "add prompts of other groups"
        )


def _choose_head(
    classes: tuple[str, ...], fit: _Part, validation: _Part, config: TrainConfig
) -> tuple[Head, tuple[Choice, ...]]:
    """The head with the lowest log loss on validation, and the figures of all."""
    smallest = int(np.bincount(fit.truth).min())
    counts = [count for count in config.sub_clusters if count <= smallest]
    if not counts:
        raise TrainingError(
            f"the smallest domain has {smallest} training rows, sub_clusters starts at "
            f"{min(config.sub_clusters, default=0)}; add prompts or lower it"
        )
    heads = [_fit_head(classes, fit, count, config) for count in counts]
    choices = tuple(
        Choice(
            sub_clusters=count,
            log_loss=log_loss(found, validation.truth),
            accuracy=float((found.argmax(axis=1) == validation.truth).mean()),
        )
        for count, found in zip(
            counts, (head.probabilities(validation.vectors) for head in heads), strict=True
        )
    )
    best = min(range(len(choices)), key=lambda index: choices[index].log_loss)
    return heads[best], choices


def _fit_head(classes: tuple[str, ...], fit: _Part, count: int, config: TrainConfig) -> Head:
    labels = np.zeros(len(fit.truth), np.int64)
    # One thread: sums in another order would give another artifact.
    with threadpool_limits(1):
        for index in range(len(classes)):
            own = fit.truth == index
            clusters = KMeans(count, n_init=3, random_state=config.seed).fit(fit.vectors[own])
            labels[own] = index * count + clusters.labels_
        regression = LogisticRegression(C=config.inverse_regularisation, max_iter=2000)
        regression.fit(fit.vectors, labels)
    weights, bias = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        # scikit-learn keeps one row for two classes: the second's logit, with the first's at 0.
        weights, bias = np.vstack([-weights, weights]) / 2, np.array([-bias[0], bias[0]]) / 2
    return Head(
        classes=classes,
        weights=weights.astype(np.float32),
        bias=bias.astype(np.float32),
        domains=np.repeat(np.arange(len(classes)), count),
    )


def _calibrate(head: Head, validation: _Part, config: TrainConfig) -> Head:
    """The head with its temperature and thresholds."""
    vectors, truth = validation.vectors, validation.truth
    head = replace(head, temperature=choose_temperature(head.logits(vectors), head.domains, truth))
    general = head.classes.index(GENERAL)
    probabilities = head.probabilities(vectors)
    chosen = probabilities.argmax(axis=1)
    routed = chosen != general
    return replace(
        head,
        scope_threshold=float(
            np.quantile(head.scope(vectors)[truth != general], config.scope_quantile)
        ),
        min_confidence=choose_confidence(
            probabilities.max(axis=1)[routed], (chosen != truth)[routed], config.max_misroutes
        ),
    )


def _exemplars(head: Head, rows: Sequence[LabelledRow], vectors: Floats, count: int) -> Exemplars:
    """Training rows spread over the sub-clusters, in each from the most typical to the least."""
    claimed = head.logits(vectors)
    owner = claimed.argmax(axis=1)
    each = max(1, count // len(head.bias))
    kept: list[int] = []
    for cluster in range(len(head.bias)):
        members = np.flatnonzero(owner == cluster)
        ordered = members[np.argsort(-claimed[members, cluster], kind="stable")]
        spread = np.linspace(0, len(ordered) - 1, min(each, len(ordered))).astype(int)
        kept.extend(ordered[spread].tolist())
    return Exemplars(
        texts=tuple(rows[index].text[:_SHOWN_CHARACTERS] for index in kept),
        domains=tuple(rows[index].domain for index in kept),
        vectors=vectors[kept],
    )
