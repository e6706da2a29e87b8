"""`niche specialists train NAME`: a niche's recipe, run again by anyone."""

import argparse
import dataclasses
import os
import platform
from pathlib import Path

from deployments.models.adapters import ADAPTERS
from deployments.models.errors import ModelError
from deployments.models.resolve import resolve
from gateway.commands.options import Subparsers, add_data_dir, cache, positive

__all__ = ["add"]

_BASE = "smollm2-135m-instruct"


def add(commands: Subparsers) -> None:
    """Declares the command."""
    parser = commands.add_parser("specialists", help="train specialists")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    training = actions.add_parser("train", help="train, grade and register one specialist")
    training.add_argument("name", metavar="NAME", help="sql or tools")
    add_data_dir(training)
    training.add_argument("--base", default=_BASE, help=f"base model (default: {_BASE})")
    training.add_argument("--examples", type=positive, help="training rows to draw (default: all)")
    training.add_argument("--test-rows", type=positive, default=400, help="test rows to grade")
    training.add_argument("--threads", type=positive, help="CPU threads")
    training.add_argument("--work-dir", type=Path, help="checkpoints (default: work/NAME)")
    training.add_argument("--out", type=Path, help="default: deployments/adapters/NAME")
    training.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    # torch and transformers take seconds to import
    from deployments.niches.registry import NICHES  # noqa: PLC0415
    from deployments.recipes.config import TrainConfig  # noqa: PLC0415
    from deployments.recipes.evaluate import evaluate  # noqa: PLC0415
    from deployments.recipes.publish import Provenance, publish  # noqa: PLC0415
    from deployments.recipes.train import train  # noqa: PLC0415

    if arguments.name not in NICHES:
        raise ModelError(f"no niche {arguments.name!r}; known: {', '.join(NICHES)}")
    niche, base = NICHES[arguments.name], resolve(arguments.base, cache())
    work_dir = arguments.work_dir or Path("work") / niche.name
    config = TrainConfig(max_examples=arguments.examples, threads=arguments.threads)
    result = train(niche, base, arguments.data_dir, work_dir, config)
    print(f"trained: {dataclasses.asdict(result)}")
    adapter, rows = work_dir / "adapter", arguments.test_rows
    score = evaluate(niche, base, adapter, arguments.data_dir, rows)
    before = evaluate(niche, base, None, arguments.data_dir, rows)
    hardware = f"{config.threads or os.cpu_count()} CPU cores ({platform.machine()})"
    facts = Provenance(arguments.base, config, result, score, before, hardware)
    out = publish(niche, adapter, arguments.out or ADAPTERS / niche.name, facts)
    print(f"{out}: {score.share:.3f} right (base model alone: {before.share:.3f})")
    return 0
