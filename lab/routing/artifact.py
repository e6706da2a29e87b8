"""An artifact, measured on any labelled prompts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.routing import public_prompts
from lab.routing.by_form import figures_by_form
from lab.routing.dataset import read_rows
from lab.routing.evaluate import evaluate
from lab.routing.report import EvaluationReport, of_misroutes, promises
from lab.routing.rows import LabelledRow
from router.artifact import artifact_path, load_artifact
from router.classifier import TextEncoder
from router.config import GuaranteeConfig
from router.errors import DataError
from router.policy import Thresholds
from router.types import GENERAL

_SHOWN_DOMAINS = 10
_HELD_OUT = (None, "test", "unseen")
"""The splits that an evaluation uses."""

Data = Mapping[str, Sequence[LabelledRow]]
"""Rows by the name of their file or set."""


def read_held_out(
    paths: Sequence[Path], names: Sequence[str] = (), data_dir: Path | None = None
) -> Data:
    """Held-out rows: those of `test` and `unseen`, and those without a split.

    Args:
        paths: labelled files.
        names: public sets, of `lab.routing.public_prompts`; they need `data_dir`.
        data_dir: the folder of the public sets.

    Raises:
        DataError: a file has faults, or has no held-out row.
        DatasetError: a set is unknown, absent or altered.
    """
    data: dict[str, Sequence[LabelledRow]] = {str(path): read_rows(path) for path in paths}
    if data_dir is not None:
        data |= {name: public_prompts.read(name, data_dir) for name in names}
    return {name: _held_out(name, rows) for name, rows in data.items()}


def evaluate_artifact(
    artifact: str,
    encoder: TextEncoder,
    data: Data,
    wanted: GuaranteeConfig | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> EvaluationReport:
    """Evaluates an artifact on rows.

    Args:
        artifact: `default`, or a directory.
        encoder: the encoder that it was trained with.
        data: rows by the name of their file or set; at least one row.
        wanted: the operator's guarantee level; the figures then use its threshold.
        progress: called at the start of each step.

    Raises:
        ArtifactError: the artifact cannot be used.
        GuaranteeError: the artifact has no calibration rows for this level.
    """
    classifier = load_artifact(artifact_path(artifact), encoder)
    guarantees = promises(classifier.trained.calibration, wanted)
    rows = [row for found in data.values() for row in found]
    progress(f"measuring on {len(rows):,} prompts")
    notes = _notes(classifier.classes_, rows)
    thresholds = Thresholds()
    if wanted is not None:
        level = guarantees[0]
        thresholds = Thresholds(level.threshold, infeasible=level.threshold is None)
        notes.append(f"Requests are routed at the guarantee's threshold: {level.sentence()}")
    return EvaluationReport(
        artifact=artifact,
        encoder=encoder.name,
        data={name: len(found) for name, found in data.items()},
        found=evaluate(classifier, rows, thresholds),
        guarantees=guarantees,
        notes=tuple(notes),
        by_form=figures_by_form(classifier, rows, thresholds, of_misroutes(guarantees)),
    )


def _held_out(name: str, rows: Sequence[LabelledRow]) -> Sequence[LabelledRow]:
    kept = [row for row in rows if row.split in _HELD_OUT]
    if not kept:
        raise DataError(
            f"{name} holds rows of training, validation or calibration alone; measure on rows of "
            "the split test or unseen, or on rows without one"
        )
    return kept


def _notes(classes: Sequence[str], rows: Sequence[LabelledRow]) -> list[str]:
    """Notes on rows whose domain the classifier does not know, if there are any."""
    strange = Counter(row.domain for row in rows if row.domain not in {*classes, GENERAL})
    if not strange:
        return []
    names = ", ".join(name for name, _ in strange.most_common(_SHOWN_DOMAINS))
    more = f" and {len(strange) - _SHOWN_DOMAINS} others" if len(strange) > _SHOWN_DOMAINS else ""
    notes = [
        f"{strange.total():,} rows have domains that the artifact does not know ({names}{more}): "
        f"they count as {GENERAL!r}, since no specialist should get them."
    ]
    if not any(row.domain in classes and row.domain != GENERAL for row in rows):
        notes.append(
            "No row is of a niche that the artifact knows: this is out-of-scope traffic, and "
            "`routed` is the share that a specialist would get all the same."
        )
    return notes
