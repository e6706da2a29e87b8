"""The labelled prompts that a router is trained on, from files and from a judged decision log."""

from collections.abc import Callable, Sequence
from pathlib import Path

from lab.routing.dataset import (
    LabelledQuery,
    contradictions,
    read_prompts,
    read_rows,
    require_trainable,
)
from lab.routing.feedback import from_log
from lab.routing.rows import LabelledRow

_SHOWN_CONTRADICTIONS = 5
_SHOWN_CHARACTERS = 60


def labelled_prompts(
    data: Sequence[Path],
    log: Path | None = None,
    feedback: Path | None = None,
    beside: Sequence[LabelledRow] = (),
    progress: Callable[[str], object] = lambda _: None,
) -> list[LabelledRow]:
    """Reads the labelled prompts of files and of a decision log with feedback.

    Args:
        data: files of labelled prompts; with a log, rows may lack a domain: they are the prompts of
            log lines that have only a hash.
        log: the gateway's decision log.
        feedback: judgements of the log's decisions; needs `log`.
        beside: additional training rows, such as those of the default domains.
        progress: called with a summary of the rows.

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
        labelled = from_log(log, feedback, [*texts, *(row.query for row in rows)])
        progress(f"{log}:\n{labelled.summary()}")
        rows += labelled.rows
    # The user's rows come first: if both label a text, their label is used.
    together: list[LabelledRow] = [*rows, *beside]
    require_trainable(together)
    progress(f"{len(together):,} prompts of {len({row.domain for row in together})} domains")
    _tell_contradictions(rows, progress)
    return together


def _tell_contradictions(rows: Sequence[LabelledQuery], progress: Callable[[str], object]) -> None:
    disputed = contradictions(rows)
    for text, domains in list(disputed.items())[:_SHOWN_CONTRADICTIONS]:
        progress(
            f"{text[:_SHOWN_CHARACTERS]!r} is labelled {', '.join(domains)}; the first is used"
        )
    if len(disputed) > _SHOWN_CONTRADICTIONS:
        progress(f"and so have {len(disputed) - _SHOWN_CONTRADICTIONS:,} other texts")
