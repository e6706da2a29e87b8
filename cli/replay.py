"""`niche replay`: what routing would have cost, and how good it was, on recorded outcomes."""

import argparse
import math
from pathlib import Path

from cli.machine import commit, machine
from cli.options import (
    CommandError,
    Subparsers,
    add_data_dir,
    add_encoder,
    cache,
    encoder_reference,
    positive,
    results_folder,
)


def add(commands: Subparsers) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "replay",
        help="replay routing policies over recorded answers of any models",
        description="Each row has a prompt, and a score and a cost per model. Prints quality over "
        "cost (AIQ), RouteLLM's APGR and CPT, and what each policy is better by than the same "
        "shares of the models assigned at random. Needs no running stack.",
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
    parser.add_argument(
        "--group-key", default="group", metavar="KEY", help="of the domain in FILE (default: group)"
    )
    parser.add_argument(
        "--price",
        nargs="+",
        default=[],
        type=price,
        metavar="MODEL=COST",
        help="what an answer costs, where FILE does not say",
    )
    parser.add_argument(
        "--artifact", help="also replay a trained router: `default`, or a directory (encodes all)"
    )
    parser.add_argument("--sample", type=positive, metavar="N", help="replay N prompts, by lot")
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
    # These bring scikit-learn and an inference runtime, which take seconds to import.
    from cli.replaying import read_given, replay_given  # noqa: PLC0415
    from lab.replay.outcomes import Layout, gather  # noqa: PLC0415
    from lab.replay.report import summary, write_report  # noqa: PLC0415

    layout = Layout(arguments.group_key, dict(arguments.price))
    given = read_given(arguments.outcomes, arguments.set, arguments.data_dir, layout)
    outcomes = gather([row for rows in given.values() for row in rows])
    if arguments.sample is not None:
        outcomes = outcomes.sample(arguments.sample)
    encoder = None
    if arguments.artifact is not None:
        from deployments.models.resolve import resolve  # noqa: PLC0415
        from router.encoders.encoder import Encoder  # noqa: PLC0415

        path = resolve(encoder_reference(arguments), cache())
        encoder = Encoder(path, cache(), threads=arguments.threads)
    found = replay_given(outcomes, arguments.artifact, encoder)
    where = f"Commit {commit()}; {machine()}."
    print(f"{where}\n\n{summary(found)}")
    if arguments.out is not None:
        data = {name: len(rows) for name, rows in given.items()}
        report, *_ = write_report(arguments.out, found, where, data)
        print(f"\n{report}: written, with its pictures")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.outcomes and not arguments.set:
        raise CommandError("give a FILE of outcomes, or --set NAME with --data-dir DIR")
    if bool(arguments.set) != (arguments.data_dir is not None):
        raise CommandError("--set and --data-dir go together: a set's name, and where the sets lie")
