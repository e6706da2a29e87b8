"""Domains that lie close together: MMLU's questions in 14 groups, as a platform team would train.

Measured on exam questions of other wordings, and on `docs/results/close-domains/`: hand-written
questions of the same fields as people ask them in conversation, which nothing trains on.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lab.benchmarks.figures import Bar, Figure, Result
from lab.routing.dataset import read_rows
from lab.routing.evaluate import evaluate
from lab.routing.public_prompts import PublicRow
from lab.routing.train import TrainConfig, Tune, train
from lab.routing.values import Evaluation
from router.artifact import load_artifact
from router.classifier import TextEncoder

CONVERSATIONAL = (
    Path(__file__).parents[2] / "docs" / "results" / "close-domains" / "conversational.jsonl"
)

Tuned = tuple[Tune, Callable[[], TextEncoder]]
"""What fine-tunes an encoder, and reads the result afterwards."""

_MAX_MISROUTED = 0.05


def close_domains(
    rows: Sequence[PublicRow],
    encoder: TextEncoder,
    out: Path,
    tuned: Tuned | None,
    progress: Callable[[str], object] = lambda _: None,
) -> Result:
    """Trains a router that may misroute 5 % of what it routes, and measures it.

    Args:
        rows: MMLU's questions, `domain` is the group.
        encoder: the base encoder.
        out: a directory for the artifact.
        tuned: fine-tunes the encoder, and gives the result afterwards; None: the frozen way.
        progress: called on each step.
    """
    named = [replace(row, domain=row.domain.replace(" ", "-")) for row in rows]
    config = TrainConfig(max_misrouted=_MAX_MISROUTED)
    report = train(named, encoder, out, config, tuned and tuned[0], progress)
    served = load_artifact(out, encoder if tuned is None else tuned[1]())
    spoken = evaluate(served, read_rows(CONVERSATIONAL))
    return Result(
        "close-domains",
        (
            *_figures("exam questions", report.test, (Bar(0.85), Bar(0.65))),
            *_figures("conversational questions", spoken, (None, None)),
        ),
        (
            f"{report.test.rows:,} exam and {spoken.rows:,} conversational questions; "
            f"threshold {report.trained.min_confidence:.2f}, for at most "
            f"{_MAX_MISROUTED:.0%} misrouted.",
        ),
        (report.tradeoff.table(),),
    )


def _figures(
    name: str, found: Evaluation, bars: tuple[Bar | None, Bar | None]
) -> tuple[Figure, ...]:
    return tuple(
        Figure(f"{name}: {title}", value, found.intervals.get(key), bar)
        for title, key, value, bar in (
            ("first choice right", "accuracy", found.accuracy, bars[0]),
            ("routed", "routed", found.routed, bars[1]),
            ("of these misrouted", "misrouted", found.misrouted, None),
        )
    )
