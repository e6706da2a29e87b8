"""`niche evaluate`: measures an artifact on labelled prompts."""

import argparse
from pathlib import Path

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


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.description = (
        "Measures an artifact on labelled prompts. Domains that it does not know count as "
        "`general`, which must go to the generalist."
    )
    parser.add_argument("artifact", metavar="ARTIFACT", help="`default`, or a directory")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="labelled prompts, unseen in training, in the format of `niche train`",
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME", help="public sets, with --data-dir"
    )
    add_data_dir(parser, required=False)
    parser.add_argument("--out", type=Path, help="write report.md and its pictures here")
    add_guarantee(parser)
    add_encoder(parser)
    parser.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    _check(arguments)
    wanted = guarantee_wanted(arguments)
    reference = encoder_reference(arguments)
    from lab.routing.artifact import evaluate_artifact, read_held_out
    from lab.routing.report import summary, write_report

    data = read_held_out(arguments.data, arguments.set, arguments.data_dir)
    if arguments.out is not None:
        _check_out(arguments.out)
    encoder = load_encoder(reference, arguments.threads, arguments.artifact)
    report = evaluate_artifact(arguments.artifact, encoder, data, wanted, tell)
    print("\n\n".join([*report.notes, summary(report.found, report.guarantees, report.by_form)]))
    if arguments.out is not None:
        print(f"\n{write_report(arguments.out, report)[0]}: written, with its pictures")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.data and not arguments.set:
        raise CommandError("give --data FILE, or --set NAME with --data-dir DIR")
    if bool(arguments.set) != (arguments.data_dir is not None):
        raise CommandError(
            "--set and --data-dir go together: a set's name, and the directory of the sets"
        )


def _check_out(out: Path) -> None:
    if (out / "artifact.json").exists():
        raise CommandError(
            f"--out {out}: holds an artifact, whose own report would be lost; name another folder"
        )
    results_folder(out, "report.md")
