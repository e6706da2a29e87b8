"""`niche specialists`: trains default specialists again, measures them, makes new ones."""

import argparse
from pathlib import Path

from cli import (
    specialists_calls,
    specialists_curve,
    specialists_evaluate,
    specialists_new,
    specialists_registered,
)
from cli.options import add_data_dir, cache, positive
from cli.specialists_options import add_training, default_niche, settings, workspace
from lab.specialists.registry import NICHES


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.description = f"Specialists. The default ones are {', '.join(NICHES)}."
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    training = actions.add_parser(
        "train",
        help="train a default specialist again, by its recipe",
        description="Trains a default specialist by its recipe, grades it on test rows and writes "
        "its adapter with a model card. An interrupted run continues from its checkpoint.",
    )
    training.add_argument("name", metavar="NAME", help=", ".join(NICHES))
    add_data_dir(training)
    training.add_argument("--examples", type=positive, help="training rows to draw, in each stage")
    add_training(training)
    training.add_argument("--test-rows", type=positive, default=400, help="test rows to grade")
    training.add_argument(
        "--out", type=Path, help="the adapter's directory (default: specialists/NAME)"
    )
    training.set_defaults(run=_train)
    specialists_evaluate.add(actions)
    specialists_calls.add(actions)
    specialists_new.add(actions)
    specialists_registered.add(actions)
    specialists_curve.add(actions)


def _train(arguments: argparse.Namespace) -> int:
    niche = default_niche(arguments.name)
    stages = [settings(arguments, stage) for stage in niche.recipe]
    space = workspace(arguments, Path("work") / niche.name)
    from lab.specialists.evaluation.calls import CallSettings
    from lab.specialists.training.make import make_specialist

    out = arguments.out or Path("specialists") / niche.name
    calls = CallSettings(space.data_dir, cache(), arguments.test_rows, arguments.threads)
    made = make_specialist(niche, space, stages, out, arguments.test_rows, calls)
    print(f"{out}: {made.sentence()}")
    if made.calls is not None:
        print(made.calls.table(niche.name, arguments.base).text())
    return 0
