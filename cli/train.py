"""`niche train`: trains a router on labelled prompts; writes its artifact and report."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import (
    CommandError,
    add_data_dir,
    add_encoder,
    add_guarantee,
    cache,
    encoder_reference,
    guarantee_wanted,
    load_encoder,
    positive,
    results_folder,
    share,
)
from cli.progress import tell
from deployments.models.resolve import resolve
from router.config import RouterConfig

if TYPE_CHECKING:
    from lab.routing.rows import LabelledRow
    from lab.routing.train import Tune

_CHECKPOINT = "checkpoint.pt"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.description = (
        "Trains a router on your own prompts (--data, --from-log), on the public data sets of the "
        "default domains (--data-dir), or on both."
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help='JSON Lines (.gz) of {"text": ..., "domain": ...} or {"messages": [...], ...}',
    )
    parser.add_argument(
        "--from-log", type=Path, metavar="LOG", help="the gateway's decision log, with --feedback"
    )
    parser.add_argument(
        "--feedback",
        type=Path,
        metavar="FILE",
        help='JSON Lines of {"request_id": ..., "domain": ...} or {"request_id": ..., "score": 1}',
    )
    add_data_dir(parser, required=False)
    parser.add_argument("--out", type=Path, required=True, help="the artifact's directory")
    _add_fine_tuning(parser)
    parser.add_argument(
        "--max-misrouted",
        type=share,
        metavar="SHARE",
        help="largest share of misrouted requests among those routed, on validation rows (default: "
        "0.01): a larger one routes more",
    )
    add_guarantee(parser)
    add_encoder(parser)
    parser.set_defaults(run=_train)


def _add_fine_tuning(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fine-tune",
        action="store_true",
        help="train the encoder too, for the task that is asked and not the topic: minutes instead "
        "of seconds; goes on where it was interrupted",
    )
    parser.add_argument(
        "--steps", type=positive, help="optimiser steps of --fine-tune (default: 2500)"
    )


def _train(arguments: argparse.Namespace) -> int:
    _check(arguments)
    guarantee = guarantee_wanted(arguments)
    reference = encoder_reference(arguments)
    from lab.routing.default_prompts import rows as default_rows
    from lab.routing.prompts import labelled_prompts
    from lab.routing.report import summary
    from lab.routing.train import TrainConfig, train_router

    rows: Sequence[LabelledRow]
    rows = [] if arguments.data_dir is None else default_rows(arguments.data_dir)
    if arguments.data or arguments.from_log:
        rows = labelled_prompts(
            arguments.data, arguments.from_log, arguments.feedback, rows, progress=tell
        )
    out = results_folder(arguments.out, "artifact.json", _CHECKPOINT)
    encoder = load_encoder(reference, arguments.threads)
    config = TrainConfig(guarantee=guarantee)
    if arguments.max_misrouted is not None:
        config = replace(config, max_misrouted=arguments.max_misrouted)
    report = train_router(rows, encoder, out, config, _tune(arguments, reference, out), tell)
    (out / _CHECKPOINT).unlink(missing_ok=True)
    print(summary(report.test, report.guarantees, report.by_form))
    print(f"\n{report.tradeoff.text()}")
    print(f"\n{out}: the artifact, report.md and its pictures are written")
    feasible = guarantee is not None and report.guarantees[0].threshold is not None
    print("To use it, write into niche.yaml:\n")
    print(setting(out, reference, arguments.alpha if feasible else None, arguments.delta))
    return 0


def _tune(arguments: argparse.Namespace, reference: str, out: Path) -> "Tune | None":
    """What fine-tunes the encoder; None for the frozen way."""
    if not arguments.fine_tune:
        return None
    tell("loading PyTorch")
    from lab.routing.fine_tune import FineTuneConfig, tuner

    config = FineTuneConfig()
    if arguments.steps is not None:
        config = replace(config, steps=arguments.steps)
    return tuner(resolve(reference, cache()), cache(), out, arguments.threads, config, tell)


def setting(out: Path, encoder: str, alpha: float | None, delta: float | None) -> str:
    """The section of `niche.yaml` that uses an artifact, without default values."""
    lines = ["router:", f"  artifact: {out}"]
    if encoder != RouterConfig().encoder:
        lines.append(f"  encoder: {encoder}")
    if alpha is not None:
        sure = "" if delta is None else f", delta: {delta}"
        lines.append(f"  guarantee: {{alpha: {alpha}{sure}}}")
    return "\n".join(lines)


def _check(arguments: argparse.Namespace) -> None:
    if not (arguments.data or arguments.from_log or arguments.data_dir):
        raise CommandError(
            "give --data FILE or --from-log LOG to train on your own prompts, --data-dir DIR to "
            "train on the default domains', or both"
        )
    if arguments.steps is not None and not arguments.fine_tune:
        raise CommandError("--steps is for --fine-tune; give that too")
    if (arguments.from_log is None) != (arguments.feedback is None):
        raise CommandError(
            "--from-log and --feedback go together: the router's own decisions are not labels"
        )
