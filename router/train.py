"""Labelled prompts to an artifact: split, fit, choose, calibrate, measure, write.

Everything that is chosen is chosen on validation rows; calibration rows are kept for guarantees;
the test and unseen rows are looked at once, for the report. The same rows, encoder and seed give
the same artifact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from router.artifact import load_artifact, save_artifact
from router.calibration import choose_confidence, choose_temperature, log_loss
from router.classifier import Encoded, TextEncoder
from router.errors import TrainingError
from router.evaluate import evaluate
from router.fit import Part, fit_head, fit_prototypes, pick_exemplars
from router.guarantee import threshold_grid
from router.head import Head
from router.report import Choice, Report
from router.rows import SPLITS, LabelledRow, Row, Splits, excess_loss, fingerprint, separate
from router.scope import Scale, Scope, nearest
from router.trained import Calibration, Exemplars, Trained
from router.types import GENERAL

__all__ = ["Report", "Row", "TrainConfig", "train"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

_SHOWN_CHARACTERS = 300
_GRID_OF_NOTHING = np.array([0.5])
"""Where no validation row reaches a specialist, any threshold is as good."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Settings of a training.

    Attributes:
        sub_clusters: numbers of sub-clusters per domain to try; validation chooses.
        most_clusters: how many in all; with many domains the larger numbers are not tried.
        inverse_regularisation: scikit-learn's C of the logistic regression.
        prototypes: centres per niche that familiarity is measured to.
        most_prototypes: how many in all.
        scope_quantile: share of the specialists' validation rows that may look out of scope.
        max_misroutes: share of wrong ones among the validation rows that a specialist gets.
        near_duplicate: cosine from which two texts count as the same when splits are separated.
        exemplars: training prompts to keep for explanations.
        seed: of k-means.
    """

    sub_clusters: tuple[int, ...] = (1, 5, 10, 15, 25)
    most_clusters: int = 300
    inverse_regularisation: float = 30.0
    prototypes: int = 75
    most_prototypes: int = 1500
    scope_quantile: float = 0.05
    max_misroutes: float = 0.01
    near_duplicate: float = 0.95
    exemplars: int = 180
    seed: int = 0


def train(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    out: Path,
    config: TrainConfig | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Report:
    """Trains a router and writes `artifact.json` and `head.safetensors` into `out`.

    Args:
        rows: labelled texts.
        encoder: turns texts into vectors; the artifact is bound to it.
        out: the artifact's directory.
        config: settings.
        progress: told of each step as it begins.

    Raises:
        TrainingError: a domain lacks rows in training, validation or test.
    """
    config = config or TrainConfig()
    memory = _Memory(encoder)
    progress(f"encoding {len(rows)} prompts")
    vectors = memory.encode([row.text.strip() for row in rows]).vectors
    progress("separating the splits")
    splits = separate(rows, vectors, config.near_duplicate)
    trained, choices = _learn(rows, vectors, splits, config, progress)
    progress("measuring")
    data_sha256 = fingerprint([rows[index] for index in splits.train])
    save_artifact(out, trained, encoder, data_sha256, metrics={})
    # What is measured is what was read back from disk: the router that will serve.
    served = load_artifact(out, memory)
    test, unseen = ([rows[index] for index in part] for part in (splits.test, splits.unseen))
    report = Report(
        encoder=encoder.name,
        data_sha256=data_sha256,
        sizes={name: len(getattr(splits, name)) for name in SPLITS},
        dropped=splits.dropped,
        choices=choices,
        trained=trained,
        test=evaluate(served, test),
        unseen=evaluate(served, unseen) if unseen else None,
    )
    save_artifact(out, trained, encoder, data_sha256, report.test.metrics())
    return report


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


def _learn(
    rows: Sequence[LabelledRow],
    vectors: Floats,
    splits: Splits,
    config: TrainConfig,
    progress: Callable[[str], object],
) -> tuple[Trained, tuple[Choice, ...]]:
    """What is learnt, from the rows of training, validation and calibration alone."""
    classes = _classes(rows)
    truth = np.array([classes.index(row.domain) for row in rows])
    for name in ("train", "validation", "test"):
        _require_every_domain(name, classes, truth[getattr(splits, name)])
    fit = Part(vectors[splits.train], truth[splits.train])
    validation = Part(vectors[splits.validation], truth[splits.validation])
    head, choices = _choose_head(classes, fit, validation, config, progress)
    progress("calibrating")
    prototypes = fit_prototypes(
        classes, fit, config.prototypes, config.most_prototypes, config.seed
    )
    kept = pick_exemplars(head, fit.vectors, config.exemplars)
    sources = [rows[splits.train[index]] for index in kept]
    exemplars = Exemplars(
        texts=tuple(row.text[:_SHOWN_CHARACTERS] for row in sources),
        domains=tuple(row.domain for row in sources),
        vectors=fit.vectors[kept],
    )
    # Shuffled, for a guarantee may look at them one after the other, and files are often sorted.
    drawn = np.random.default_rng(config.seed).permutation(splits.calibration)
    held_out = Part(vectors[drawn], truth[drawn])
    losses = np.array([excess_loss(rows[index]) for index in drawn], np.float64)
    return _calibrate(head, prototypes, exemplars, validation, held_out, losses, config), choices


def _classes(rows: Sequence[LabelledRow]) -> tuple[str, ...]:
    classes = tuple(sorted({row.domain for row in rows}))
    if len(classes) < 2:
        raise TrainingError(
            f"the rows have the domains {classes}; needed are two niches, or one and {GENERAL!r}: "
            "prompts that are no specialist's"
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
    classes: tuple[str, ...],
    fit: Part,
    validation: Part,
    config: TrainConfig,
    progress: Callable[[str], object],
) -> tuple[Head, tuple[Choice, ...]]:
    """The head with the lowest log loss on validation, and the figures of all."""
    smallest = int(np.bincount(fit.truth).min())
    # A sub-cluster of fewer than four rows describes its rows, not a kind of prompt.
    most = min(max(1, smallest // 4), max(1, config.most_clusters // len(classes)))
    counts = [count for count in config.sub_clusters if count <= most]
    if not counts:
        raise TrainingError(
            f"the smallest domain has {smallest} training rows, enough for {most} sub-clusters; "
            f"sub_clusters starts at {min(config.sub_clusters, default=0)}: add prompts or lower it"
        )
    heads, choices = [], []
    for count in counts:
        progress(f"fitting {count} sub-clusters per domain")
        head = fit_head(classes, fit, count, config.inverse_regularisation, config.seed)
        found = head.probabilities(head.logits(validation.vectors))
        heads.append(head)
        choices.append(
            Choice(
                sub_clusters=count,
                log_loss=log_loss(found, validation.truth),
                accuracy=float((found.argmax(axis=1) == validation.truth).mean()),
            )
        )
    best = min(range(len(choices)), key=lambda index: choices[index].log_loss)
    return heads[best], tuple(choices)


def _calibrate(
    head: Head,
    prototypes: Floats,
    exemplars: Exemplars,
    validation: Part,
    held_out: Part,
    losses: Doubles,
    config: TrainConfig,
) -> Trained:
    """Temperature, scope and thresholds from validation rows; what guarantees need from others."""
    logits = head.logits(validation.vectors)
    temperature = choose_temperature(logits, head.domains, validation.truth)
    head = replace(head, temperature=temperature)
    scope = _scope(head, prototypes, validation, config.scope_quantile)
    confidence, wrong = _offers(head, scope, validation)
    offered = np.isfinite(confidence)
    certain, misroute = _offers(head, scope, held_out)
    return Trained(
        head=head,
        scope=scope,
        min_confidence=choose_confidence(confidence[offered], wrong[offered], config.max_misroutes),
        exemplars=exemplars,
        calibration=Calibration(
            certain,
            misroute,
            losses,
            threshold_grid(confidence) if offered.any() else _GRID_OF_NOTHING,
        ),
    )


def _scope(head: Head, prototypes: Floats, validation: Part, quantile: float) -> Scope:
    niches = np.array([domain != GENERAL for domain in head.classes])[validation.truth]
    vectors = validation.vectors[niches]
    energy = head.energy(head.logits(vectors))
    scope = Scope(prototypes, Scale.of(energy), Scale.of(nearest(prototypes, vectors)))
    familiarity = scope.familiarity(energy, vectors)
    return replace(scope, threshold=float(np.quantile(familiarity, quantile)))


def _offers(head: Head, scope: Scope, rows: Part) -> tuple[Doubles, NDArray[np.bool_]]:
    """For each row the confidence of the specialist that would get it at the loosest threshold,
    -inf where the generalist would, and whether that specialist is the wrong one."""
    logits = head.logits(rows.vectors)
    probabilities = head.probabilities(logits)
    chosen = probabilities.argmax(axis=1)
    niche = np.array([domain != GENERAL for domain in head.classes])[chosen]
    familiar = scope.familiarity(head.energy(logits), rows.vectors) >= scope.threshold
    confidence = np.where(niche & familiar, probabilities.max(axis=1), -np.inf)
    return confidence, chosen != rows.truth
