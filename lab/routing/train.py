"""Labelled prompts to an artifact: split, fit, choose, calibrate, measure, write.

All settings are chosen on validation rows; calibration rows are used only for guarantees; test and
unseen rows are used once, for the report. The same rows, encoder and seed give
the same artifact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.routing.calibrate import (
    calibrate_confidence,
    calibrate_ood,
    calibrate_temperature,
    keep_calibration,
)
from lab.routing.evaluate import evaluate
from lab.routing.fit import Part, fit_head, fit_prototypes, pick_exemplars
from lab.routing.follow_up import deciding_texts, learn_follow_ups
from lab.routing.metrics import log_loss
from lab.routing.noise import noisy
from lab.routing.report import Choice, Report, promises, write_report
from lab.routing.rows import (
    SPLITS,
    LabelledRow,
    Splits,
    excess_loss,
    fingerprint,
    separate,
)
from lab.routing.values import Evaluation
from router.artifact import load_artifact, save_artifact
from router.classifier import Encoded, TextEncoder
from router.config import GuaranteeConfig
from router.conversation import DecidingTexts
from router.errors import TrainingError
from router.head import Head
from router.trained import Exemplars, Trained
from router.types import GENERAL

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Settings of a training.

    Attributes:
        sub_clusters: numbers of sub-clusters per domain to try; validation chooses.
        most_clusters: the largest total; with many domains the larger numbers are not tried.
        inverse_regularisation: scikit-learn's C of the logistic regression.
        prototypes: centres per niche, for the OOD score.
        most_prototypes: the largest total.
        ood_quantile: share of the specialists' validation rows that may be classified as out of
            distribution.
        max_misroutes: largest share of misrouted rows among the validation rows that a specialist
            gets.
        near_duplicate: cosine from which two texts count as the same when splits are separated.
        exemplars: training prompts to keep for explanations.
        seed: the seed of k-means.
    """

    sub_clusters: tuple[int, ...] = (1, 5, 10, 15, 25)
    most_clusters: int = 300
    inverse_regularisation: float = 30.0
    prototypes: int = 75
    most_prototypes: int = 1500
    ood_quantile: float = 0.02
    max_misroutes: float = 0.01
    near_duplicate: float = 0.95
    exemplars: int = 180
    seed: int = 0


def train_router(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    out: Path,
    wanted: GuaranteeConfig | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Report:
    """Trains on rows and writes artifact, report and pictures.

    Args:
        rows: labelled prompts.
        encoder: the artifact is bound to it.
        out: the artifact's directory.
        wanted: the operator's guarantee level.
        progress: called at the start of each step.

    Raises:
        RouterError: the rows are too few for training or for the guarantee.
    """
    report = train(rows, encoder, out, progress=progress)
    report = replace(report, guarantees=promises(report.trained.calibration, wanted))
    progress("writing the report")
    write_report(out, report)
    return report


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
        progress: called at the start of each step.

    Raises:
        TrainingError: a domain lacks rows in training, validation or test.
    """
    config = config or TrainConfig()
    caching = CachingEncoder(encoder)
    progress(f"encoding {len(rows)} prompts")
    vectors = caching.encode([row.text.strip() for row in rows]).vectors
    progress("separating the splits")
    splits = separate(rows, vectors, config.near_duplicate)
    trained, choices = _learn(rows, caching, splits, config, progress)
    progress("measuring")
    data_sha256 = fingerprint([rows[index] for index in splits.train])
    found, unseen = _write(out, trained, caching, data_sha256, rows, splits)
    return Report(
        encoder=encoder.name,
        data_sha256=data_sha256,
        sizes={name: len(getattr(splits, name)) for name in SPLITS},
        dropped=splits.dropped,
        choices=choices,
        trained=trained,
        test=found,
        unseen=unseen,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The training data: training rows with `copies`, validation rows with copies after them, and
    calibration rows with their `excess_loss`."""

    fit: Part
    copies: Floats
    validation: Part
    held_out: Part
    excess_loss: NDArray[np.float64]


def _learn(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    splits: Splits,
    config: TrainConfig,
    progress: Callable[[str], object],
) -> tuple[Trained, tuple[Choice, ...]]:
    """Trains on the rows of training, validation and calibration."""
    classes = _classes(rows)
    follow_up = learn_follow_ups(rows, encoder, splits)
    deciding = deciding_texts(rows, encoder, follow_up)
    truth = np.array([classes.index(row.domain) for row in rows])
    _require_every_domain(classes, truth, splits)
    progress("encoding noisy copies")
    parts = _parts(rows, deciding, truth, splits, encoder, config.seed)
    head, choices = _choose_head(classes, parts, config, progress)
    progress("calibrating")
    head = calibrate_temperature(head, parts.validation)
    prototypes = fit_prototypes(
        classes, parts.fit, config.prototypes, config.most_prototypes, config.seed
    )
    ood = calibrate_ood(head, prototypes, parts.validation, config.ood_quantile)
    kept = splits.train[pick_exemplars(head, parts.fit.vectors, config.exemplars)].tolist()
    trained = Trained(
        head=head,
        ood=ood,
        min_confidence=calibrate_confidence(head, ood, parts.validation, config.max_misroutes),
        follow_up=follow_up,
        exemplars=_exemplars(rows, deciding, kept),
        calibration=keep_calibration(
            head, ood, parts.validation, parts.held_out, parts.excess_loss
        ),
    )
    return trained, choices


def _parts(
    rows: Sequence[LabelledRow],
    deciding: DecidingTexts,
    truth: Indices,
    splits: Splits,
    encoder: TextEncoder,
    seed: int,
) -> _Parts:
    # Shuffled, since a guarantee may test them sequentially, and files are often sorted.
    drawn = np.random.default_rng(seed).permutation(splits.calibration)
    fit, validation, held_out = (
        Part(deciding.vectors[part], truth[part])
        for part in (splits.train, splits.validation, drawn)
    )
    return _Parts(
        fit=fit,
        copies=_noisy(deciding, splits.train, encoder),
        validation=validation.with_copies(_noisy(deciding, splits.validation, encoder)),
        held_out=held_out,
        excess_loss=np.array([excess_loss(rows[index]) for index in drawn], np.float64),
    )


def _exemplars(
    rows: Sequence[LabelledRow], deciding: DecidingTexts, kept: Sequence[int]
) -> Exemplars:
    return Exemplars(
        texts=tuple(deciding.texts[index][:_SHOWN_CHARACTERS] for index in kept),
        domains=tuple(rows[index].domain for index in kept),
        vectors=deciding.vectors[list(kept)],
    )


def _noisy(deciding: DecidingTexts, rows: Indices, encoder: TextEncoder) -> Floats:
    """Vectors of noisy copies, as in `Part.with_copies`."""
    copies = [noisy(deciding.texts[row]) for row in rows.tolist()]
    return encoder.encode([text for turn in zip(*copies, strict=True) for text in turn]).vectors


def _classes(rows: Sequence[LabelledRow]) -> tuple[str, ...]:
    classes = tuple(sorted({row.domain for row in rows}))
    if len(classes) < 2:
        raise TrainingError(
            f"the rows have the domains {classes}; give two niches, or one and {GENERAL!r}: "
            "prompts that no specialist should get"
        )
    return classes


def _require_every_domain(classes: Sequence[str], truth: Indices, splits: Splits) -> None:
    for name in ("train", "validation", "test"):
        present = set(truth[getattr(splits, name)].tolist())
        absent = [domain for index, domain in enumerate(classes) if index not in present]
        if absent:
            raise TrainingError(
                f"no {name} rows of {', '.join(absent)} are left after separating the splits; "
                "add prompts of other groups"
            )


def _choose_head(
    classes: tuple[str, ...],
    parts: _Parts,
    config: TrainConfig,
    progress: Callable[[str], object],
) -> tuple[Head, tuple[Choice, ...]]:
    """The head with the lowest log loss on validation rows, and the figures of all heads."""
    smallest = int(np.bincount(parts.fit.truth).min())
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
        head = fit_head(
            classes,
            parts.fit,
            count,
            config.inverse_regularisation,
            config.seed,
            parts.copies,
        )
        found = head.probabilities(head.logits(parts.validation.vectors))
        heads.append(head)
        choices.append(
            Choice(
                sub_clusters=count,
                log_loss=log_loss(found, parts.validation.truth),
                accuracy=float((found.argmax(axis=1) == parts.validation.truth).mean()),
            )
        )
    best = min(range(len(choices)), key=lambda index: choices[index].log_loss)
    return heads[best], tuple(choices)


def _write(
    out: Path,
    trained: Trained,
    encoder: TextEncoder,
    data_sha256: str,
    rows: Sequence[LabelledRow],
    splits: Splits,
) -> tuple[Evaluation, Evaluation | None]:
    """Writes the artifact with its figures on test rows; also returns those on unseen rows."""
    save_artifact(out, trained, encoder, data_sha256, metrics={})
    # Evaluates the artifact as read back from disk: the router that will serve.
    served = load_artifact(out, encoder)
    test, unseen = ([rows[index] for index in part] for part in (splits.test, splits.unseen))
    found = evaluate(served, test)
    save_artifact(out, trained, encoder, data_sha256, found.metrics())
    return found, evaluate(served, unseen) if unseen else None


class CachingEncoder:
    """Encodes each text once, and caches the vectors.

    Attributes:
        name, sha256: the encoder's.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, tuple[Floats, bool]] = {}
        self.name, self.sha256 = encoder.name, encoder.sha256

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The texts' vectors, in order."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        found = self._encoder.encode(new)
        if not texts:
            return found
        self._known |= {
            text: (vector, bool(cut))
            for text, vector, cut in zip(new, found.vectors, found.truncated, strict=True)
        }
        vectors, truncated = zip(*(self._known[text] for text in texts), strict=True)
        return Encoded(np.array(vectors), np.array(truncated))
