"""A router from labelled prompts: the artifact, its report and its pictures."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lab.routing.data.rows import LabelledRow
from lab.routing.evaluation.report import Report, promises, write_report
from lab.routing.training.train import train
from router.classifier import TextEncoder
from router.config import GuaranteeConfig


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
        wanted: the level that the operator would like to guarantee.
        progress: told of each step as it begins.

    Raises:
        RouterError: the rows do not suffice to train, or to guarantee anything.
    """
    report = train(rows, encoder, out, progress=progress)
    report = replace(report, guarantees=promises(report.trained.calibration, wanted))
    progress("writing the report")
    write_report(out, report)
    return report
