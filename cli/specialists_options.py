"""Options that the actions of `niche specialists` share, and their values."""

import argparse
from dataclasses import replace
from pathlib import Path

from cli.options import cache, positive, share
from deployments.models.errors import ModelError
from deployments.models.resolve import resolve
from lab.specialists.from_file import NicheFile
from lab.specialists.niche import Niche
from lab.specialists.recipe import TrainConfig
from lab.specialists.registry import NICHES
from lab.specialists.training.workspace import Workspace
from router.grading.registry import GRADERS

BASE = "smollm2-135m-instruct"
"""The base model of the default specialists."""
MOST_TOKENS = 1024
"""The default token limit of a user's example, if the model's context allows it."""

FILE_OPTIONS = (
    *("test_data", "system_prompt", "grader", "max_answer_tokens", "max_length_tokens", "licence"),
)
"""The options that need `--data`."""

_SETTINGS = {
    "epochs": "epochs",
    "examples": "max_examples",
    "learning_rate": "learning_rate",
    "batch_size": "batch_size",
    "seed": "seed",
    "validation_rows": "validation_examples",
    "max_length_tokens": "max_length_tokens",
    "threads": "threads",
}
"""Maps an option to the field of `TrainConfig` that it sets."""


def add_training(parser: argparse.ArgumentParser) -> None:
    """`--epochs` and all the other settings of a training run; `--base` and `--work-dir`."""
    parser.add_argument("--base", default=BASE, help=f"base model (default: {BASE})")
    parser.add_argument(
        "--epochs",
        type=positive,
        help="passes over the rows (default: by the recipe, or by the number of rows)",
    )
    parser.add_argument("--rank", type=positive, help="rank of the adapter (default: 8)")
    parser.add_argument(
        "--learning-rate", type=share, help=f"peak (default: {TrainConfig().learning_rate:g})"
    )
    parser.add_argument("--batch-size", type=positive, help="rows per step (default: 16)")
    parser.add_argument(
        "--seed", type=int, help="seed of row choice and initial weights (default: 0)"
    )
    parser.add_argument(
        "--validation-rows", type=positive, help="for early stopping (default: 128)"
    )
    parser.add_argument("--threads", type=positive, help="CPU threads")
    parser.add_argument("--work-dir", type=Path, help="checkpoints (default: work/NAME)")


def add_file(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """`--data FILE` and the options that describe its niche."""
    parser.add_argument(
        "--data",
        type=Path,
        required=required,
        metavar="FILE",
        help='JSON Lines (.gz) of {"prompt": ..., "answer": ...}, and perhaps "group", "schema"',
    )
    parser.add_argument(
        "--test-data",
        type=Path,
        metavar="FILE",
        help="rows to test on (default: a tenth of --data, held out by group or prompt)",
    )
    parser.add_argument("--system-prompt", metavar="TEXT", help="the specialist's system prompt")
    parser.add_argument(
        "--grader",
        help=f"grader of the answers: {', '.join(GRADERS)} (default: json where all answers are "
        "JSON, else text)",
    )
    parser.add_argument(
        "--max-answer-tokens",
        type=positive,
        help="longer answers are cut (default: somewhat more than the longest in --data)",
    )
    parser.add_argument(
        "--max-length-tokens",
        type=positive,
        help=f"longer rows are refused (default: {MOST_TOKENS}, or the model's context)",
    )
    parser.add_argument("--licence", metavar="TEXT", help="terms of the rows, for the model card")


def file_of(arguments: argparse.Namespace) -> NicheFile:
    """The file and its niche from the options of `add_file`."""
    file = NicheFile(
        data=arguments.data,
        test_data=arguments.test_data,
        system_prompt=arguments.system_prompt,
        grader=arguments.grader,
        max_answer_tokens=arguments.max_answer_tokens,
    )
    return file if arguments.licence is None else replace(file, licence=arguments.licence)


def default_niche(name: str) -> Niche:
    """A default niche.

    Raises:
        ModelError: no default niche has this name.
    """
    if name not in NICHES:
        raise ModelError(f"no niche {name!r}; known: {', '.join(NICHES)}")
    return NICHES[name]


def settings(arguments: argparse.Namespace, base: TrainConfig) -> TrainConfig:
    """`base`, with the settings from the options of `add_training`.

    Raises:
        RecipeError: a setting is not valid.
    """
    options = vars(arguments)
    changes = {
        field: options[option]
        for option, field in _SETTINGS.items()
        if options.get(option) is not None
    }
    if arguments.rank is not None:
        # Keep the scale of the update, alpha / rank.
        changes |= {"rank": arguments.rank, "alpha": arguments.rank * base.alpha // base.rank}
    return replace(base, **changes)


def workspace(arguments: argparse.Namespace, work_dir: Path) -> Workspace:
    """The base model, data and working directory that the options name.

    Raises:
        ModelError: the base model is not in the cache.
    """
    base_dir = resolve(arguments.base, cache())
    data_dir = getattr(arguments, "data_dir", None) or Path()
    return Workspace(arguments.base, base_dir, data_dir, arguments.work_dir or work_dir)
