"""Labelled prompts to an artifact: split, fit, choose, calibrate, measure, write.

Everything that is chosen is chosen on validation rows; calibration rows are kept for guarantees;
the test and unseen rows are looked at once, for the report. The same rows, encoder and seed give
the same artifact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from router.artifact import load_artifact, save_artifact
from router.classifier import TextEncoder
from router.conversation import ConversationReader, Deciding, FollowUp, user_turns
from router.data.rows import (
    SPLITS,
    LabelledRow,
    Row,
    Splits,
    excess_loss,
    fingerprint,
    query_of,
    separate,
)
from router.errors import TrainingError
from router.evaluation.calibration import log_loss
from router.evaluation.evaluate import evaluate
from router.evaluation.report import Choice, Report
from router.evaluation.values import Evaluation
from router.head import Head
from router.trained import Exemplars, Trained
from router.training.fit import Part, fit_head, fit_prototypes, pick_exemplars
from router.training.follow_up import fit_follow_up, read_utterances
from router.training.memory import EncoderWithMemory
from router.training.noise import noisy
from router.training.settle import (
    keep_calibration,
    settle_confidence,
    settle_scope,
    settle_temperature,
)
from router.types import GENERAL, Scores

__all__ = ["Report", "Row", "TrainConfig", "train"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

_SHOWN_CHARACTERS = 300


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
    memory = EncoderWithMemory(encoder)
    progress(f"encoding {len(rows)} prompts")
    vectors = memory.encode([row.text.strip() for row in rows]).vectors
    progress("separating the splits")
    splits = separate(rows, vectors, config.near_duplicate)
    trained, choices = _learn(rows, memory, splits, config, progress)
    progress("measuring")
    data_sha256 = fingerprint([rows[index] for index in splits.train])
    found, unseen = _write(out, trained, memory, data_sha256, rows, splits)
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


def _learn(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    splits: Splits,
    config: TrainConfig,
    progress: Callable[[str], object],
) -> tuple[Trained, tuple[Choice, ...]]:
    """What is learnt, from the rows of training, validation and calibration alone."""
    classes = _classes(rows)
    follow_up = _fit_follow_up(rows, encoder, splits)
    deciding = _deciding(rows, encoder, follow_up)
    truth = np.array([classes.index(row.domain) for row in rows])
    _require_every_domain(classes, truth, splits)
    # Shuffled, for a guarantee may look at them one after the other, and files are often sorted.
    drawn = np.random.default_rng(config.seed).permutation(splits.calibration)
    parts = (splits.train, splits.validation, drawn)
    fit, validation, held_out = (Part(deciding.vectors[part], truth[part]) for part in parts)
    progress("encoding noisy copies")
    copies = _noisy(deciding, splits.train, encoder)
    validation = validation.with_copies(_noisy(deciding, splits.validation, encoder))
    head, choices = _choose_head(classes, fit, copies, validation, config, progress)
    progress("calibrating")
    head = settle_temperature(head, validation)
    prototypes = fit_prototypes(
        classes, fit, config.prototypes, config.most_prototypes, config.seed
    )
    scope = settle_scope(head, prototypes, validation, config.scope_quantile)
    losses = np.array([excess_loss(rows[index]) for index in drawn], np.float64)
    kept = splits.train[
        pick_exemplars(head, deciding.vectors[splits.train], config.exemplars)
    ].tolist()
    exemplars = Exemplars(
        texts=tuple(deciding.texts[index][:_SHOWN_CHARACTERS] for index in kept),
        domains=tuple(rows[index].domain for index in kept),
        vectors=deciding.vectors[kept],
    )
    trained = Trained(
        head=head,
        scope=scope,
        min_confidence=settle_confidence(head, scope, validation, config.max_misroutes),
        follow_up=follow_up,
        exemplars=exemplars,
        calibration=keep_calibration(head, scope, validation, held_out, losses),
    )
    return trained, choices


def _fit_follow_up(rows: Sequence[LabelledRow], encoder: TextEncoder, splits: Splits) -> FollowUp:
    """From our own utterances, and from the prompts that open a conversation: those stand alone."""
    said = [utterance for utterance in read_utterances() if utterance.split == "train"]
    first = np.array([len(user_turns(query_of(row))) == 1 for row in rows])
    texts = np.array([row.text.strip() for row in rows], np.object_)
    return fit_follow_up(
        encoder.encode([utterance.text for utterance in said]).vectors,
        np.array([utterance.leans for utterance in said]),
        standalone=encoder.encode(texts[splits.train][first[splits.train]].tolist()).vectors,
        held_out=encoder.encode(
            texts[splits.validation][first[splits.validation]].tolist()
        ).vectors,
    )


def _deciding(rows: Sequence[LabelledRow], encoder: TextEncoder, follow_up: FollowUp) -> Deciding:
    """The words of each row that its label is about: of a conversation, what its end leans on."""

    def general(vectors: Floats, _truncated: NDArray[np.bool_]) -> list[Scores]:
        # No niche is known yet, so nothing but the leaning can tell where to look.
        return [Scores({GENERAL: 1.0}, scope=0.0, scope_threshold=0.0)] * len(vectors)

    reader = ConversationReader(encoder.encode, general, follow_up)
    deciding = reader.deciding([query_of(row) for row in rows])
    silent = [row for row, text in zip(rows, deciding.texts, strict=True) if not text]
    if silent:
        raise TrainingError(f"{len(silent)} rows have no text of a user; remove them")
    return deciding


def _noisy(deciding: Deciding, rows: Indices, encoder: TextEncoder) -> Floats:
    """Vectors of noisy copies, as in `Part.with_copies`."""
    copies = [noisy(deciding.texts[row]) for row in rows.tolist()]
    return encoder.encode([text for turn in zip(*copies, strict=True) for text in turn]).vectors


def _classes(rows: Sequence[LabelledRow]) -> tuple[str, ...]:
    classes = tuple(sorted({row.domain for row in rows}))
    if len(classes) < 2:
        raise TrainingError(
            f"the rows have the domains {classes}; needed are two niches, or one and {GENERAL!r}: "
            "prompts that are no specialist's"
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
    fit: Part,
    copies: Floats,
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
        head = fit_head(classes, fit, count, config.inverse_regularisation, config.seed, copies)
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


def _write(
    out: Path,
    trained: Trained,
    encoder: TextEncoder,
    data_sha256: str,
    rows: Sequence[LabelledRow],
    splits: Splits,
) -> tuple[Evaluation, Evaluation | None]:
    """Writes the artifact with its figures on the test rows, and gives those on unseen ones too."""
    save_artifact(out, trained, encoder, data_sha256, metrics={})
    # What is measured is what was read back from disk: the router that will serve.
    served = load_artifact(out, encoder)
    test, unseen = ([rows[index] for index in part] for part in (splits.test, splits.unseen))
    found = evaluate(served, test)
    save_artifact(out, trained, encoder, data_sha256, found.metrics())
    return found, evaluate(served, unseen) if unseen else None
