"""`niche specialists curve NAME`: measures a specialist's quality by number of examples."""

import argparse
from pathlib import Path

from cli.options import (
    CommandError,
    Subparsers,
    add_data_dir,
    positive,
    results_folder,
)
from cli.specialists_new import own_niche, own_settings
from cli.specialists_options import (
    FILE_OPTIONS,
    add_file,
    add_training,
    default_niche,
    file_of,
    settings,
    workspace,
)
from lab.specialists.niche import Niche
from lab.specialists.recipe import TrainConfig, settings_for
from lab.specialists.training.workspace import Workspace

_ALL = "all"
_SIZES = (50, 200, 1000)


def add(actions: Subparsers) -> None:
    """Declares the action."""
    parser = actions.add_parser(
        "curve",
        help="measure a specialist's quality by its number of examples",
        description="Trains one specialist per size, each on a subset of the rows of the next "
        "larger one, grades all on the same test rows and writes curve.json, curve.md and "
        "curve.png. It skips sizes that are done.",
    )
    parser.add_argument("name", metavar="NAME", help="a default specialist, or a name for --data")
    add_data_dir(parser, required=False)
    add_file(parser, required=False)
    parser.add_argument(
        "--sizes",
        type=_sizes,
        help="training rows (default: 50,200,1000,all, up to the rows there are)",
    )
    parser.add_argument(
        "--adapter",
        type=Path,
        metavar="DIR",
        help=f"a trained specialist to use as size {_ALL!r}",
    )
    add_training(parser)
    parser.add_argument("--test-rows", type=positive, default=400, help="test rows to grade")
    parser.add_argument(
        "--out", type=Path, help="directory of the results (default: WORK-DIR/curve)"
    )
    parser.set_defaults(run=_curve)


def _sizes(text: str) -> tuple[int | None, ...]:
    """`50,200,all` as numbers, None for all."""
    sizes = [None if part == _ALL else positive(part) for part in text.split(",")]
    numbers = [size for size in sizes if size is not None]
    if sorted(set(numbers)) != numbers or None in sizes[:-1]:
        raise argparse.ArgumentTypeError(
            f"{text!r}: sizes must increase, with {_ALL!r} last, as in 50,200,{_ALL}"
        )
    return tuple(sizes)


def _curve(arguments: argparse.Namespace) -> int:
    _check(arguments)
    space = workspace(arguments, Path("work") / f"{arguments.name}-curve")
    niche, whole = _niche(arguments, space)
    available = len(list(niche.examples("train", space.data_dir)))
    runs = _runs(arguments, whole, available)
    out = results_folder(arguments.out or space.work_dir / "curve", "curve.json")
    import torch

    from lab.specialists.training.curve import TrainedAdapter, learning_curve, write_curve
    from lab.specialists.training.make import require_lengths

    if arguments.data is not None:
        require_lengths(niche, space, whole.max_length_tokens)
    if arguments.threads:  # also for grading the base model, which is first
        torch.set_num_threads(arguments.threads)
    last = [] if arguments.adapter is None else [TrainedAdapter(arguments.adapter)]
    points = []
    for point in learning_curve(niche, space, [*runs, *last], arguments.test_rows):
        points.append(point)
        print(
            f"{point.rows:,} rows: quality {point.quality:.3f} [{point.low:.3f}, {point.high:.3f}]",
            flush=True,
        )
        if point.rows:  # an interrupted run leaves the curve so far
            write_curve(niche, space.base, points, out)
    print(f"{out}: curve.json, curve.md and curve.png are written")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if (arguments.data is None) == (arguments.data_dir is None):
        raise CommandError(
            "give --data-dir DIR for a default specialist, or --data FILE for examples of your "
            "own; one of the two"
        )
    if arguments.data is None:
        for option in FILE_OPTIONS:
            if getattr(arguments, option) is not None:
                raise CommandError(f"--{option.replace('_', '-')} goes with --data FILE")


def _niche(arguments: argparse.Namespace, space: Workspace) -> tuple[Niche, TrainConfig]:
    """The niche, and the settings for all of its rows."""
    if arguments.data is None:
        niche = default_niche(arguments.name)
        return niche, settings(arguments, niche.recipe[0])
    own = own_niche(arguments.name, file_of(arguments), space)
    return own.niche, own_settings(arguments, len(own.rows["train"]), space)


def _runs(arguments: argparse.Namespace, whole: TrainConfig, available: int) -> list[TrainConfig]:
    """The settings of each size, smallest first; for all rows, the recipe's."""
    requested = arguments.sizes
    if requested is None:
        requested = (*(size for size in _SIZES if size < available), None)
    sizes = [size for size in requested if size is not None]
    if sizes and sizes[-1] > available:
        raise CommandError(f"--sizes: {sizes[-1]:,} rows, and only {available:,} to train on")
    runs = [settings_for(size, whole, arguments.epochs) for size in sizes]
    return [*runs, whole] if None in requested and arguments.adapter is None else runs
