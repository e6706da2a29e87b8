"""`niche replay`: cost and quality of routing on recorded outcomes."""

import argparse
import math
from pathlib import Path

from cli.options import (
    CommandError,
    add_data_dir,
    add_encoder,
    encoder_reference,
    load_encoder,
    positive,
    results_folder,
)
from cli.progress import tell
from lab.machine import commit, machine


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.description = (
        "Each row has a prompt, and a score and a cost per model. Prints quality over "
        "cost (AIQ), RouteLLM's APGR and CPT, and each policy's lead over choosing the models "
        "at random in the same shares. Needs no running stack."
    )
    parser.add_argument(
        "outcomes",
        type=Path,
        nargs="*",
        metavar="FILE",
        help='JSON Lines with "prompt", "scores", "costs" and "group", or CSV; `.gz` or not',
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME", help="public sets, with --data-dir"
    )
    add_data_dir(parser, required=False)
    group_help = "key of the domain in FILE (default: group)"
    parser.add_argument("--group-key", default="group", metavar="KEY", help=group_help)
    parser.add_argument(
        "--price",
        nargs="+",
        default=[],
        type=price,
        metavar="MODEL=COST",
        help="cost of an answer, for rows of FILE without costs",
    )
    parser.add_argument(
        "--artifact", help="also replay a trained router: `default`, or a directory (encodes all)"
    )
    parser.add_argument(
        "--sample", type=positive, metavar="N", help="replay a random sample of N prompts"
    )
    parser.add_argument("--out", type=Path, help="write report.json and its pictures here")
    add_encoder(parser)
    parser.set_defaults(run=_replay)


def price(text: str) -> tuple[str, float]:
    """`MODEL=COST`, for argparse."""
    model, _, number = text.rpartition("=")
    try:
        cost = float(number)
    except ValueError:
        cost = math.nan
    if not model or not 0 <= cost < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no price, such as small=0.24")
    return model, cost


def _replay(arguments: argparse.Namespace) -> int:
    _check(arguments)
    if arguments.out is not None:
        results_folder(arguments.out, "report.json")
    from lab.replay.outcomes import Layout, gather
    from lab.replay.report import summary, write_report
    from lab.replay.session import read_recordings, replay_all

    layout = Layout(arguments.group_key, dict(arguments.price))
    recordings = read_recordings(arguments.outcomes, arguments.set, arguments.data_dir, layout)
    outcomes = gather([row for rows in recordings.values() for row in rows])
    if arguments.sample is not None:
        outcomes = outcomes.sample(arguments.sample)
    encoder = None
    if arguments.artifact is not None:
        encoder = load_encoder(encoder_reference(arguments), arguments.threads, arguments.artifact)
    results = replay_all(outcomes, arguments.artifact, encoder, tell)
    where = f"Commit {commit()}; {machine()}."
    print(f"{where}\n\n{summary(results)}")
    if arguments.out is not None:
        data = {name: len(rows) for name, rows in recordings.items()}
        report, *_ = write_report(arguments.out, results, where, data)
        print(f"\n{report}: written, with its pictures")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.outcomes and not arguments.set:
        raise CommandError("give a FILE of outcomes, or --set NAME with --data-dir DIR")
    if bool(arguments.set) != (arguments.data_dir is not None):
        raise CommandError(
            "--set and --data-dir go together: a set's name, and the directory of the sets"
        )
