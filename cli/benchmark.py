"""`niche benchmark NAME`: the router's figures on public data sets, each beside its target."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import (
    CommandError,
    add_data_dir,
    add_encoder,
    cache,
    encoder_reference,
    load_encoder,
    results_folder,
)
from cli.progress import tell
from deployments.models.resolve import resolve
from lab.machine import commit, machine

if TYPE_CHECKING:
    from lab.benchmarks.figures import Result

_ALL = "all"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.description = (
        "Prints a table per benchmark: figure, value with its 95% interval, target, met or "
        "missed; and the commit and machine it was measured on."
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"the benchmarks to run, or {_ALL} (default: list them)",
    )
    add_data_dir(parser, required=False)
    parser.add_argument(
        "--artifact",
        default="default",
        help="for `default`, `robustness` and `conversation`: `default`, or a directory",
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
    from lab.benchmarks.registry import BENCHMARKS, Setting

    if not arguments.names:
        print(*BENCHMARKS, sep="\n")
        return 0
    names = tuple(BENCHMARKS if _ALL in arguments.names else dict.fromkeys(arguments.names))
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise CommandError(f"no benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}, {_ALL}")
    if arguments.data_dir is None:
        raise CommandError("give --data-dir DIR: where the public data sets lie")
    if arguments.out is not None:
        results_folder(arguments.out, "benchmarks.md")
    reference = encoder_reference(arguments)
    setting = Setting(
        data_dir=arguments.data_dir,
        artifact=arguments.artifact,
        model=resolve(reference, cache()),
        cache_dir=cache(),
        encoder=load_encoder(reference, arguments.threads),
        served=load_encoder(reference, arguments.threads, arguments.artifact),
        progress=tell,
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
    """Writes the results; called after each benchmark, so that a later failure loses nothing."""
    text = "\n".join(["# Benchmarks\n", f"{where}\n", *(result.markdown() for result in results)])
    (out / "benchmarks.md").write_text(text, encoding="utf-8")
    found = [result.fields() for result in results]
    (out / "benchmarks.json").write_text(
        json.dumps({"where": where, "benchmarks": found}, indent=1), encoding="utf-8"
    )
