"""`niche train`: trains a router on labelled prompts; writes its artifact and report."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import (
    CommandError,
    add_data_dir,
    add_encoder,
    add_guarantee,
    encoder_reference,
    guarantee_wanted,
    load_encoder,
    results_folder,
)
from cli.progress import tell
from router.config import RouterConfig

if TYPE_CHECKING:
    from lab.routing.rows import LabelledRow


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
    add_guarantee(parser)
    add_encoder(parser)
    parser.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    _check(arguments)
    guarantee = guarantee_wanted(arguments)
    reference = encoder_reference(arguments)
    from lab.routing.default_prompts import rows as default_rows
    from lab.routing.prompts import labelled_prompts
    from lab.routing.report import summary
    from lab.routing.train import train_router

    rows: Sequence[LabelledRow]
    rows = [] if arguments.data_dir is None else default_rows(arguments.data_dir)
    if arguments.data or arguments.from_log:
        rows = labelled_prompts(
            arguments.data, arguments.from_log, arguments.feedback, rows, progress=tell
        )
    out = results_folder(arguments.out, "artifact.json")
    encoder = load_encoder(reference, arguments.threads)
    report = train_router(rows, encoder, out, guarantee, tell)
    print(summary(report.test, report.guarantees))
    print(f"\n{out}: the artifact, report.md and its pictures are written")
    feasible = guarantee is not None and report.guarantees[0].threshold is not None
    print("To use it, write into niche.yaml:\n")
    print(setting(out, reference, arguments.alpha if feasible else None, arguments.delta))
    return 0


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
    if (arguments.from_log is None) != (arguments.feedback is None):
        raise CommandError(
            "--from-log and --feedback go together: the router's own decisions are not labels"
        )
