"""`niche specialists depth NAME`: how good a specialist stays with fewer layers."""

import argparse
from dataclasses import replace
from pathlib import Path

from cli.options import Subparsers, add_data_dir, cache, positive, share
from cli.specialists_options import default_niche, settings
from deployments.models.adapters import load_adapter
from lab.specialists.recipes.defaults import RECIPES

_FRACTIONS = (1.0, 0.8, 0.6, 0.4)


def add(actions: Subparsers) -> None:
    """Declares the action."""
    parser = actions.add_parser(
        "depth",
        help="how good a specialist stays with fewer layers",
        description="For each fraction: drops the layers that it can best do without, starts with "
        "the specialist's own weights, trains on its rows again, and grades it. A depth that is "
        "done is not run again. Writes depth.json, depth.md and depth.png.",
    )
    parser.add_argument("name", metavar="NAME", help="a default specialist")
    add_data_dir(parser)
    parser.add_argument(
        "--fractions",
        type=_fractions,
        default=_FRACTIONS,
        metavar="F,F,...",
        help=f"of the layers to keep (default: {','.join(map(str, _FRACTIONS))})",
    )
    parser.add_argument(
        "--adapter", metavar="DIR", help="the whole specialist (default: the one that ships)"
    )
    parser.add_argument(
        "--distil",
        nargs="?",
        type=float,
        const=1.0,
        metavar="WEIGHT",
        help="learn the whole specialist's predictions too, with this weight (1 without one)",
    )
    parser.add_argument("--examples", type=positive, help="training rows to draw")
    parser.add_argument("--epochs", type=positive, help="how often each row is seen")
    parser.add_argument("--learning-rate", type=share, help="peak (default: the recipe's)")
    parser.add_argument("--batch-size", type=positive, help="rows per step")
    parser.add_argument("--seed", type=int, help="draws rows and their order")
    parser.add_argument("--threads", type=positive, help="CPU threads")
    parser.add_argument("--test-rows", type=positive, default=400, help="test rows to grade")
    parser.add_argument(
        "--work-dir", type=Path, help="checkpoints and results (default: work/NAME-depth)"
    )
    parser.set_defaults(run=_depth, rank=None)


def _fractions(text: str) -> tuple[float, ...]:
    """Numbers above 0 and at most 1 with commas between them, for argparse."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < fraction <= 1 for fraction in found):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of fractions, such as 1.0,0.8,0.6")
    return found


def _depth(arguments: argparse.Namespace) -> int:
    niche = default_niche(arguments.name)
    config = replace(settings(arguments, RECIPES[niche.name][0]), distil=arguments.distil)
    whole = load_adapter(arguments.adapter or niche.name)
    # torch and transformers take seconds to import
    from deployments.models.resolve import resolve  # noqa: PLC0415
    from lab.specialists.recipes.depth import depth_curve  # noqa: PLC0415
    from lab.specialists.recipes.depth_report import write_depth  # noqa: PLC0415
    from lab.specialists.recipes.workplace import Workplace  # noqa: PLC0415

    folder = arguments.work_dir or Path("work") / f"{niche.name}-depth"
    place = Workplace(whole.base, resolve(whole.base, cache()), arguments.data_dir, folder)
    points = []
    for point in depth_curve(niche, place, whole, arguments.fractions, config, arguments.test_rows):
        points.append(point)
        write_depth(niche, whole, points, folder)
        print(
            f"{point.layers} layers: quality {point.quality:.3f} "
            f"[{point.low:.3f}, {point.high:.3f}], {point.compute:.0%} of the compute"
        )
    print(f"written to {folder}: depth.json, depth.md, depth.png")
    return 0
