"""A router from one's own prompts: reading them, and training on them.

The command `niche train` parses and prints; what takes long, and long to import, is here.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cli.progress import EncoderWithBar, tell
from lab.routing.data.dataset import (
    LabelledQuery,
    contradictions,
    read_prompts,
    read_rows,
    require_trainable,
)
from lab.routing.data.feedback import from_log
from lab.routing.data.rows import LabelledRow
from lab.routing.evaluation.report import Report, promises, write_report
from lab.routing.training.train import train
from router.classifier import TextEncoder
from router.config import GuaranteeConfig

_SHOWN_CONTRADICTIONS = 5
_SHOWN_CHARACTERS = 60


def own_rows(
    data: Sequence[Path],
    log: Path | None = None,
    feedback: Path | None = None,
    beside: Sequence[LabelledRow] = (),
) -> list[LabelledRow]:
    """The labelled prompts of files, and of a decision log that was judged.

    Args:
        data: files of labelled prompts; with a log, rows may be without a domain: they are then
            the prompts that the log has as a hash alone.
        log: the gateway's decision log.
        feedback: says which of its decisions were right; goes with `log`.
        beside: rows of another source that are trained on too, such as the default domains'.

    Raises:
        DataError: a file has faults.
        TrainingError: the rows are too few, or of one domain.
    """
    rows: list[LabelledQuery] = []
    if log is None or feedback is None:
        rows = [row for path in data for row in read_rows(path)]
    else:
        prompts = [read_prompts(path) for path in data]
        rows = [row for found in prompts for row in found.labelled]
        texts = [query for found in prompts for query in found.unlabelled]
        harvest = from_log(log, feedback, [*texts, *(row.query for row in rows)])
        tell(f"{log}:\n{harvest.summary()}")
        rows += harvest.rows
    # One's own come first: where both label a text, theirs is the label that counts.
    together: list[LabelledRow] = [*rows, *beside]
    require_trainable(together)
    tell(f"{len(together):,} prompts of {len({row.domain for row in together})} domains")
    disputed = contradictions(rows)
    for text, domains in list(disputed.items())[:_SHOWN_CONTRADICTIONS]:
        tell(f"{text[:_SHOWN_CHARACTERS]!r} stands in {', '.join(domains)}: the first counts")
    if len(disputed) > _SHOWN_CONTRADICTIONS:
        tell(f"and so do {len(disputed) - _SHOWN_CONTRADICTIONS:,} other texts")
    return together


def train_router(
    rows: Sequence[LabelledRow],
    encoder: TextEncoder,
    out: Path,
    wanted: GuaranteeConfig | None = None,
) -> Report:
    """Trains on rows and writes artifact, report and pictures.

    Args:
        rows: labelled prompts.
        encoder: the artifact is bound to it.
        out: the artifact's directory.
        wanted: the level that the operator would like to guarantee.

    Raises:
        RouterError: the rows do not suffice to train, or to guarantee anything.
    """
    report = train(rows, EncoderWithBar(encoder), out, progress=tell)
    report = replace(report, guarantees=promises(report.trained.calibration, wanted))
    tell("writing the report")
    write_report(out, report)
    return report
