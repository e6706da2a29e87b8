"""Labelled prompts to an artifact: split, tune, fit, choose, calibrate, measure, write.

Two ways. The frozen way fits a head on the vectors of a given encoder: seconds. The other
fine-tunes the encoder first, on prompts in many forms (`lab.routing.forms`), so that it reads the
task and not the topic: minutes; the head, the thresholds and the guarantees then come from prompts
in these forms too.

All settings are chosen on validation rows; calibration rows are used only for guarantees; test and
unseen rows are used once, for the report. The same rows, encoder and seed give
the same artifact.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.routing.by_form import figures_by_form
from lab.routing.caching import CachingEncoder
from lab.routing.calibrate import (
    calibrate_confidence,
    calibrate_ood,
    calibrate_temperature,
    keep_calibration,
)
from lab.routing.evaluate import evaluate
from lab.routing.fit import Part, fit_forms, fit_head, fit_prototypes, pick_exemplars
from lab.routing.follow_up import deciding_texts, learn_follow_ups
from lab.routing.forms import (
    PLAIN,
    FormedRow,
    TuningPrompt,
    Wordings,
    in_mix,
    in_some_forms,
    label,
    wordings,
)
from lab.routing.material import Material
from lab.routing.metrics import log_loss
from lab.routing.noise import noisy_copies
from lab.routing.own_task import kinds_of_own_task
from lab.routing.report import Choice, Report, of_misroutes, promises, write_report
from lab.routing.rows import (
    SPLITS,
    LabelledRow,
    excess_loss,
    fingerprint,
    separate,
)
from lab.routing.segments import fit_scorer
from lab.routing.task_prompts import fit_task_prompts
from lab.routing.tradeoff import LIMITS, tradeoff
from router.artifact import load_artifact, save_artifact
from router.classifier import TextEncoder
from router.config import GuaranteeConfig
from router.conversation import DecidingTexts, Reading
from router.errors import TrainingError
from router.form_head import FormHead
from router.guarantee import Guarantee
from router.head import Head
from router.request_text import SegmentScorer
from router.trained import Exemplars, Trained, VerificationPrompt
from router.types import GENERAL
from router.verification import went

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

Tune = Callable[[Sequence[TuningPrompt], Wordings, SegmentScorer], TextEncoder]
"""Fine-tunes an encoder and stores its adapter in the artifact's directory."""

_SHOWN_CHARACTERS = 300
_PAIRED = 2000
"""Rows whose pairs say what counts as similar."""
_VERIFIED = 200
"""Prompts that verify the encoder elsewhere."""
_ASIDE = 10
"""One in as many kinds of other task and neutral system prompts tunes no encoder: these choose the
threshold of the detector."""
_SAMPLE = 12_000
"""Rows that choose the number of sub-clusters."""
_ROUGHLY = 1e-2
"""Tolerance of the fits that choose a number of sub-clusters; the last one goes to convergence."""


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
        tuned_ood_quantile: the same in a tuned training, whose head itself knows more that is
            general.
        max_misrouted: largest share of misrouted rows among the validation rows that a specialist
            gets.
        near_duplicate: cosine from which two texts count as the same when splits are separated.
        exemplars: training prompts to keep for explanations.
        guarantee: the operator's level, for the report.
        seed: the seed of k-means.
    """

    sub_clusters: tuple[int, ...] = (1, 5, 10, 15, 25)
    most_clusters: int = 300
    inverse_regularisation: float = 30.0
    prototypes: int = 75
    most_prototypes: int = 1500
    ood_quantile: float = 0.02
    tuned_ood_quantile: float = 0.005
    max_misrouted: float = 0.01
    near_duplicate: float = 0.95
    exemplars: int = 180
    guarantee: GuaranteeConfig | None = None
    seed: int = 0


def train_router(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    out: Path,
    config: TrainConfig | None = None,
    tune: Tune | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Report:
    """Trains on rows and writes artifact, report and pictures.

    Args:
        rows: labelled prompts.
        encoder: the artifact is bound to it, or to what `tune` makes of it.
        out: the artifact's directory.
        config: settings.
        tune: fine-tunes the encoder first; None: the frozen way.
        progress: called at the start of each step.

    Raises:
        RouterError: the rows are too few for training or for the guarantee.
    """
    report = train(rows, encoder, out, config, tune, progress)
    progress("writing the report")
    write_report(out, report)
    return report


def train(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    out: Path,
    config: TrainConfig | None = None,
    tune: Tune | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Report:
    """As `train_router`, without the report's files.

    Raises:
        TrainingError: a domain lacks rows in training, validation or test.
    """
    config = config or TrainConfig()
    base = CachingEncoder(encoder)
    material = _material(rows, base, config, tune is not None, progress)
    scorer = fit_scorer([row.text for row in material.of("train")], wordings(False).fillers)
    forms, serving = None, base
    if tune is not None:
        forms = _forms(material, base, progress)
        tuned = tune(material.tuning_prompts(), forms.apart(_ASIDE)[0], scorer)
        serving = CachingEncoder(tuned)
    trained, choices, thresholds = _learn(material, serving, scorer, forms, config, progress)
    if tune is None:
        _remove_adapter(out)
    guarantees = promises(trained.calibration, config.guarantee)
    found = _write(out, trained, serving, material, of_misroutes(guarantees), progress)
    return Report(
        encoder=encoder.name,
        tuned=tune is not None,
        sizes={name: len(getattr(material.splits, name)) for name in SPLITS},
        dropped=material.splits.dropped,
        choices=choices,
        trained=trained,
        tradeoff=tradeoff(thresholds, found["test"], config.max_misrouted),
        guarantees=guarantees,
        **found,
    )


def _material(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    config: TrainConfig,
    tuned: bool,
    progress: Callable[[str], object],
) -> Material:
    """The rows with their splits, each of which has rows of every domain."""
    progress(f"encoding {len(rows)} prompts")
    vectors = encoder.encode([row.text.strip() for row in rows]).vectors
    progress("separating the splits")
    splits = separate(rows, vectors, config.near_duplicate)
    material = Material(rows, splits, _classes(rows, tuned))
    material.require_every_domain()
    return material


def _forms(material: Material, encoder: TextEncoder, progress: Callable[[str], object]) -> Wordings:
    """The forms without those that are a domain's own task, and with the system prompts of the
    rows."""
    own = kinds_of_own_task(material.of("train"), encoder, wordings(False))
    for domain, kinds in own.items():
        progress(f"{domain}: its own task is {', '.join(kinds)}; such forms are not made")
    kept = wordings(False).without({kind for kinds in own.values() for kind in kinds})
    return kept.with_own_tasks(material.own_tasks())


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The training data.

    Attributes:
        plain: the training rows.
        fit: the training rows and what is made of them: noisy copies, or other forms.
        validation: likewise, of the validation rows.
        held_out: a calibration row of each group; in a tuned training each in one form.
        excess_loss: of these calibration rows.
        deciding: the texts of the training rows.
        checked: the texts of the validation rows.
        forms: the forms of the rows that a tuned training makes, which end `fit`.
    """

    plain: Part
    fit: Part
    validation: Part
    held_out: Part
    excess_loss: NDArray[np.float64]
    deciding: DecidingTexts
    checked: Sequence[str]
    forms: Sequence[str] = ()


def _learn(
    material: Material,
    encoder: TextEncoder,
    scorer: SegmentScorer,
    forms: Wordings | None,
    config: TrainConfig,
    progress: Callable[[str], object],
) -> tuple[Trained, tuple[Choice, ...], Mapping[float, float]]:
    """Trains on the rows of training, validation and calibration; also returns what was chosen, and
    the confidence threshold for each limit of misrouted rows."""
    reading = _reading(material, encoder, scorer, forms, config.seed)
    parts = _parts(material, encoder, reading, forms, config.seed, progress)
    head, choices = _choose_head(material.classes, parts, config, progress)
    progress("calibrating")
    head = calibrate_temperature(head, parts.validation)
    prototypes = fit_prototypes(
        material.classes, parts.fit, config.prototypes, config.most_prototypes, config.seed
    )
    quantile = config.ood_quantile if forms is None else config.tuned_ood_quantile
    ood = calibrate_ood(head, prototypes, parts.validation, quantile)
    thresholds = {
        limit: calibrate_confidence(head, ood, parts.validation, limit)
        for limit in {*LIMITS, config.max_misrouted}
    }
    kept = pick_exemplars(head, parts.plain.vectors, config.exemplars)
    trained = Trained(
        head=head,
        ood=ood,
        min_confidence=thresholds[config.max_misrouted],
        reading=reading,
        exemplars=_exemplars(material.of("train"), parts.deciding, kept),
        calibration=keep_calibration(
            head, ood, parts.validation, parts.held_out, parts.excess_loss
        ),
        forms=_fit_forms(parts),
    )
    verification = _verification(trained, parts.checked, encoder)
    return replace(trained, verification=verification), choices, thresholds


def _reading(
    material: Material,
    encoder: TextEncoder,
    scorer: SegmentScorer,
    forms: Wordings | None,
    seed: int,
) -> Reading:
    follow_up = learn_follow_ups(material.rows, encoder, material.splits)
    similar = _min_similarity(material, encoder, seed)
    detector = None if forms is None else fit_task_prompts(*forms.apart(_ASIDE), encoder)
    return Reading(follow_up, scorer, forms is not None, detector, similar)


def _fit_forms(parts: _Parts) -> FormHead | None:
    """The form head; None in a frozen training, which makes no rows in other forms."""
    if not parts.forms:
        return None
    return fit_forms(parts.fit.vectors, [PLAIN] * len(parts.plain.truth) + list(parts.forms))


def _min_similarity(material: Material, encoder: TextEncoder, seed: int) -> float:
    """The cosine below which 19 in 20 random pairs of training rows of different domains are."""
    rows = material.of("train")
    drawn = np.random.default_rng(seed).permutation(len(rows))[:_PAIRED]
    kept = [rows[index] for index in drawn[: len(drawn) // 2 * 2].tolist()]
    vectors = encoder.encode([row.text.strip() for row in kept]).vectors
    half = len(kept) // 2
    differ = np.array([a.domain != b.domain for a, b in zip(kept[:half], kept[half:], strict=True)])
    cosines = (vectors[:half] * vectors[half:]).sum(axis=1)[differ]
    return float(np.quantile(cosines, 0.95)) if len(cosines) else 0.4


def _verification(
    trained: Trained, texts: Sequence[str], encoder: TextEncoder
) -> tuple[VerificationPrompt, ...]:
    """Short validation texts, drawn at random, with their decisions."""
    short = [text for text in texts if text and len(text) <= _SHOWN_CHARACTERS]
    drawn = np.random.default_rng(0).permutation(len(short))[:_VERIFIED].tolist()
    encoded = encoder.encode([short[index] for index in drawn])
    decided = map(went, trained.scores(encoded.vectors, encoded.truncated))
    return tuple(
        VerificationPrompt(short[index], domain)
        for index, domain in zip(drawn, decided, strict=True)
    )


def _parts(
    material: Material,
    encoder: TextEncoder,
    reading: Reading,
    forms: Wordings | None,
    seed: int,
    progress: Callable[[str], object],
) -> _Parts:
    def part(rows: Sequence[LabelledRow]) -> tuple[Part, DecidingTexts]:
        found = deciding_texts(rows, encoder, reading)
        return Part(found.vectors, material.truth(rows)), found

    train, validation = material.of("train"), material.of("validation")
    calibration: Sequence[LabelledRow] = material.calibration(seed)
    plain, deciding = part(train)
    checked, checked_texts = part(validation)
    made: list[FormedRow] = []
    if forms is None:
        progress("encoding noisy copies")
        fit = plain.and_(noisy_copies(deciding, plain, encoder))
        validated = checked.and_(noisy_copies(checked_texts, checked, encoder))
    else:
        progress("encoding the prompts in other forms")
        calibration = [in_mix(row, forms) for row in calibration]
        made, vectors = _made(material, forms, part)
        fit = plain.and_(vectors)
        mixed, checked_texts = part([in_mix(row, forms) for row in validation])
        validated = checked.and_(mixed)
    return _Parts(
        plain=plain,
        fit=fit,
        validation=validated,
        held_out=part(calibration)[0],
        excess_loss=np.array([excess_loss(row) for row in calibration], np.float64),
        deciding=deciding,
        checked=checked_texts.texts,
        forms=[formed.form for formed in made],
    )


def _made(
    material: Material,
    forms: Wordings,
    part: Callable[[Sequence[LabelledRow]], tuple[Part, DecidingTexts]],
) -> tuple[list[FormedRow], Part]:
    """The training rows in other forms, with their vectors."""
    made = [formed for row in material.of("train") for formed in in_some_forms(row, forms)]
    found, texts = part(made)
    kept, labelled = [], []
    for place, (row, text) in enumerate(zip(made, texts.texts, strict=True)):
        domain = label(row.form, row.domain, row.prompt, text)
        if domain is not None:
            kept.append(place)
            labelled.append(replace(row, domain=domain))
    return labelled, Part(found.vectors[kept], material.truth(labelled))


def _exemplars(
    rows: Sequence[LabelledRow], deciding: DecidingTexts, kept: Sequence[int]
) -> Exemplars:
    return Exemplars(
        texts=tuple(deciding.texts[index][:_SHOWN_CHARACTERS] for index in kept),
        domains=tuple(rows[index].domain for index in kept),
        vectors=deciding.vectors[list(kept)],
    )


def _classes(rows: Sequence[LabelledRow], tuned: bool) -> tuple[str, ...]:
    """The domains; a tuned training has texts inside other tasks, which are general."""
    named = {row.domain for row in rows}
    if len(named) < 2:
        raise TrainingError(
            f"the rows have the domains {sorted(named)}; give two niches, or one and {GENERAL!r}: "
            "prompts that no specialist should get"
        )
    return tuple(sorted(named | {GENERAL} if tuned else named))


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
    sample = parts.fit.sample(_SAMPLE, config.seed)
    choices: list[Choice] = []
    for count in counts:
        progress(f"trying {count} sub-clusters per domain")
        head = fit_head(
            classes, sample, count, config.inverse_regularisation, config.seed, _ROUGHLY
        )
        found = head.probabilities(head.logits(parts.validation.vectors))
        choices.append(
            Choice(
                sub_clusters=count,
                log_loss=log_loss(found, parts.validation.truth),
                accuracy=float((found.argmax(axis=1) == parts.validation.truth).mean()),
            )
        )
        if len(choices) > 1 and choices[-1].log_loss > choices[-2].log_loss:
            break
    best = min(choices, key=lambda choice: choice.log_loss).sub_clusters
    progress(f"fitting {best} sub-clusters per domain")
    head = fit_head(classes, parts.fit, best, config.inverse_regularisation, config.seed)
    return head, tuple(choices)


def _remove_adapter(out: Path) -> None:
    """Removes the adapter of an earlier training, which the artifact does not belong to."""
    from router.encoders.adapter import FILE  # noqa: PLC0415 - it brings the tokenizers

    (out / FILE).unlink(missing_ok=True)


def _write(
    out: Path,
    trained: Trained,
    encoder: TextEncoder,
    material: Material,
    levels: Sequence[Guarantee],
    progress: Callable[[str], object],
) -> dict[str, Any]:
    """Writes the artifact with its figures on test rows; returns these, those on unseen rows, those
    on test rows in the held-out forms, and the fingerprint of the training rows."""
    progress("measuring")
    data_sha256 = fingerprint(material.of("train"))
    save_artifact(out, trained, encoder, data_sha256, metrics={})
    # Evaluates the artifact as read back from disk: the router that will serve.
    served = load_artifact(out, encoder)
    test, unseen = material.of("test"), material.of("unseen")
    found = evaluate(served, test)
    save_artifact(out, trained, encoder, data_sha256, found.metrics())
    return {
        "data_sha256": data_sha256,
        "test": found,
        "unseen": evaluate(served, unseen) if unseen else None,
        "by_form": figures_by_form(served, test, levels=levels),
    }
