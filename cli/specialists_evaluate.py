"""`niche specialists evaluate`: measures every model on every niche."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import (
    CommandError,
    Subparsers,
    add_data_dir,
    cache,
    positive,
    results_folder,
)
from cli.specialists_options import BASE, default_niche
from lab.machine import commit, machine
from lab.specialists.niche import Niche
from lab.specialists.registry import NICHES

if TYPE_CHECKING:
    from lab.specialists.evaluation.run import Settings

_WORK_DIR, _OUT = Path("work/evaluate"), Path("work/matrix")


def add(actions: Subparsers) -> None:
    """Declares the action."""
    parser = actions.add_parser(
        "evaluate",
        help="measure every specialist and the generalist on every niche",
        description="Runs specialists and the generalist on the test rows of every niche, grades "
        "the answers, and writes matrix.md, matrix.json and matrix.png. Answers are kept, so that "
        "an interrupted run can continue.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these niches alone")
    parser.add_argument("--all", action="store_true", help="all niches, and the general set")
    add_data_dir(parser)
    parser.add_argument("--rows", type=positive, default=200, help="per set (default: 200)")
    _add_generalist(parser)
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="a niche's adapter instead of the default one; repeatable",
    )
    parser.add_argument(
        "--compare-prompts",
        action="store_true",
        help="instead: only compare prompt styles for the generalist, on validation rows",
    )
    _add_computing(parser)
    parser.add_argument("--out", type=Path, default=_OUT, help=f"results (default: {_OUT})")
    parser.set_defaults(run=_evaluate)


def _add_generalist(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--generalist",
        metavar="REFERENCE",
        default=BASE,
        help=f"a model, as in niche.yaml (default: {BASE})",
    )
    parser.add_argument(
        "--without-generalist", action="store_true", help="grade the specialists alone"
    )
    parser.add_argument(
        "--base-of-specialists",
        action="store_true",
        help="also compare the specialists' base model, prompted like the generalist",
    )


def _add_computing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=positive, help="CPU threads")
    parser.add_argument(
        "--engine",
        choices=("torch", "llama"),
        default="torch",
        help="what runs the models: torch, as training does, or the engine llama, in the "
        "quantisation that it serves (default: torch)",
    )
    parser.add_argument("--batch-size", type=positive, default=16, help="questions at a time")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        default="float32",
        help="type of the weights (default: float32)",
    )
    parser.add_argument(
        "--work-dir", type=Path, default=_WORK_DIR, help=f"answers (default: {_WORK_DIR})"
    )


def _evaluate(arguments: argparse.Namespace) -> int:
    niches = _niches(arguments)
    if arguments.without_generalist and arguments.compare_prompts:
        raise CommandError("--compare-prompts compares prompts of the generalist; leave one out")
    adapters = _adapters(arguments.adapter, [niche.name for niche in niches])
    from lab.specialists.evaluation.plan import (
        EvaluationConfig,
        make_plan,
        plan_prompt_comparison,
    )
    from lab.specialists.evaluation.report import MARKDOWN, sentences, tables, write_report
    from lab.specialists.evaluation.run import run

    out = results_folder(arguments.out, MARKDOWN)
    config = EvaluationConfig(
        niches=niches,
        generalist=None if arguments.without_generalist else arguments.generalist,
        data_dir=arguments.data_dir,
        cache=cache(),
        rows=arguments.rows,
        adapters=adapters,
        general=arguments.all,
        base_of_specialists=arguments.base_of_specialists,
    )
    settings = _settings(arguments)
    plan = plan_prompt_comparison if arguments.compare_prompts else make_plan
    report = run(plan(config), settings)
    print("\n\n".join(table.text() for table in tables(report)))
    print("", *report.plan.notes, *sentences(report.matrix), sep="\n")
    about = (
        f"commit {commit()}",
        settings.machine,
        f"{_computing(settings)}, batches of {settings.batch_size}, "
        f"{settings.threads or _threads(settings)} threads; at most {arguments.rows} rows per set, "
        f"{'validation' if arguments.compare_prompts else 'test'} rows",
    )
    print("", *(f"{path}: written" for path in write_report(out, report, about)), sep="\n")
    return 0


def _threads(settings: "Settings") -> int | None:
    """Those that are used where none are named."""
    return os.cpu_count() if settings.engine == "torch" else 1


def _computing(settings: "Settings") -> str:
    """What ran the models, and in which numbers."""
    if settings.engine == "torch":
        return f"torch, {settings.dtype}"
    return f"{settings.engine}, in the file's quantisation"


def _adapters(options: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """The adapters of `--adapter NAME=PATH` by niche."""
    adapters = {}
    for text in options:
        name, _, path = text.partition("=")
        if not path:
            raise CommandError(f"--adapter {text}: is no NAME=PATH, such as sql=work/sql/published")
        if name not in names:
            raise CommandError(
                f"--adapter {text}: {name} is not among the niches: {', '.join(names)}"
            )
        adapters[name] = path
    return adapters


def _niches(arguments: argparse.Namespace) -> tuple[Niche, ...]:
    names: Sequence[str] = arguments.names
    if bool(names) == arguments.all:
        raise CommandError("name niches, or give --all")
    return tuple(default_niche(name) for name in names or NICHES)


def _settings(arguments: argparse.Namespace) -> "Settings":
    from lab.specialists.evaluation.run import Settings

    return Settings(
        work_dir=arguments.work_dir,
        machine=machine(),
        dtype=arguments.dtype,
        batch_size=arguments.batch_size,
        threads=arguments.threads,
        engine=arguments.engine,
        cache=cache(),
    )
