"""`niche benchmark NAME`: the project's figures, each beside the bar that it is held to."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cli.machine import commit, machine
from cli.options import (
    CommandError,
    Subparsers,
    add_data_dir,
    add_encoder,
    cache,
    encoder_reference,
    results_folder,
)

if TYPE_CHECKING:
    from lab.benchmarks.figures import Result

_ALL = "all"
NAMES = (
    *("clinc150", "clinc150-unseen", "banking77", "routellm", "mmlu14"),
    *("default", "conversation", "speed"),
)
"""As in `cli.benchmarks`, which takes seconds to import."""


def add(commands: Subparsers) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "benchmark",
        help="measure the router on public data sets, beside the bars it is held to",
        description="Prints a table per benchmark: figure, value with its 95% interval, bar, met "
        "or missed; and the commit and machine it was measured on.",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"{', '.join(NAMES)}, or {_ALL}")
    add_data_dir(parser)
    parser.add_argument(
        "--artifact",
        default="default",
        help="for `default` and `conversation`: `default`, or a directory",
    )
    parser.add_argument("--out", type=Path, help="write benchmarks.md and benchmarks.json here")
    parser.add_argument(
        "--without-fine-tuning",
        action="store_true",
        help="leave out the fine-tuned encoders, which take most of the time",
    )
    add_encoder(parser)
    parser.set_defaults(run=_benchmark)


def _benchmark(arguments: argparse.Namespace) -> int:
    names = NAMES if _ALL in arguments.names else tuple(dict.fromkeys(arguments.names))
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise CommandError(f"no benchmark {unknown[0]!r}; known: {', '.join(NAMES)}, {_ALL}")
    if arguments.out is not None:
        results_folder(arguments.out, "benchmarks.md")
    reference = encoder_reference(arguments)
    # These bring scikit-learn and an inference runtime, which take seconds to import.
    from cli.benchmarks import BENCHMARKS, Setting  # noqa: PLC0415
    from deployments.models.resolve import resolve  # noqa: PLC0415

    setting = Setting(
        data_dir=arguments.data_dir,
        artifact=arguments.artifact,
        model=resolve(reference, cache()),
        cache_dir=cache(),
        threads=arguments.threads,
        fine_tune=not arguments.without_fine_tuning,
    )
    where = f"Commit {commit()}; {machine()}."
    print(where)
    results = []
    for name in names:
        results.append(BENCHMARKS[name](setting))
        print(f"\n{results[-1].text()}", flush=True)
        if arguments.out is not None:
            _write(arguments.out, where, results)
    return 0


def _write(out: Path, where: str, results: "list[Result]") -> None:
    """After each benchmark, so that a later one that fails loses nothing."""
    text = "\n".join(["# Benchmarks\n", f"{where}\n", *(result.markdown() for result in results)])
    (out / "benchmarks.md").write_text(text, encoding="utf-8")
    found = [
        dataclasses.asdict(result)
        | {"figures": [dataclasses.asdict(one) | {"met": one.met} for one in result.figures]}
        for result in results
    ]
    (out / "benchmarks.json").write_text(
        json.dumps({"where": where, "benchmarks": found}, indent=1), encoding="utf-8"
    )
