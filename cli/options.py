"""Options that several commands share, and the environment."""

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.models.cache import cache_dir
from deployments.spec import ModelSpec
from gateway.config import ConfigError
from gateway.config_file import load_config
from router.config import GuaranteeConfig

_LAST_PORT = 65535
CONFIG = Path("niche.yaml")
"""The default configuration file, in the working directory."""
DEFAULT_STACK = Path(__file__).with_name("niche.yaml")
"""The shipped stack: a link to the root's niche.yaml in a checkout, a copy in a wheel."""

if TYPE_CHECKING:
    from router.classifier import TextEncoder

    # argparse has no public name for the type that `add_subparsers` returns
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = object


class CommandError(Exception):
    """A command cannot run; the message names the reason and the remedy."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config PATH`."""
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIG if CONFIG.exists() else DEFAULT_STACK,
        metavar="FILE",
        help=f"the stack (default: {CONFIG} if it exists, else the default stack)",
    )


def add_data_dir(parser: argparse._ActionsContainer, *, required: bool = True) -> None:
    """`--data-dir PATH`."""
    parser.add_argument(
        "--data-dir",
        type=Path,
        required=required,
        metavar="DIR",
        help="directory of the public sets",
    )


def add_encoder(parser: argparse.ArgumentParser) -> None:
    """`--encoder REFERENCE`, its default from `--config PATH`, and `--threads N`."""
    parser.add_argument(
        "--encoder",
        metavar="REFERENCE",
        help="a model, as in router.encoder of niche.yaml (default: that of --config)",
    )
    add_config(parser)
    parser.add_argument(
        "--threads",
        type=positive,
        default=os.cpu_count() or 1,
        help="CPU threads of the encoder (default: one per core); the vectors are the same",
    )


def encoder_reference(arguments: argparse.Namespace) -> str:
    """The encoder that the options of `add_encoder` name.

    Raises:
        ConfigError: --config names a file that cannot be used.
    """
    if arguments.encoder is not None:
        return str(arguments.encoder)
    return load_config(arguments.config).router.encoder


def load_encoder(reference: str, threads: int, artifact: str | None = None) -> "TextEncoder":
    """The encoder, with a progress bar for many texts.

    Args:
        reference: a model reference.
        threads: CPU threads.
        artifact: the artifact that it serves, which may have an adapter; None: the base encoder.

    Raises:
        ModelError: its files are not in the cache.
        EncoderError: the artifact's adapter cannot be used with it.
    """
    from cli.progress import EncoderWithBar
    from deployments.models.resolve import resolve
    from router.artifact import artifact_path
    from router.encoders.adapter import adapter_of
    from router.encoders.encoder import Encoder

    adapter = None if artifact is None else adapter_of(artifact_path(artifact))
    path = resolve(reference, cache())
    return EncoderWithBar(Encoder(path, cache(), threads, adapter=adapter))


def add_guarantee(parser: argparse.ArgumentParser) -> None:
    """`--alpha SHARE` and `--delta SHARE`."""
    parser.add_argument(
        "--alpha", type=share, help="the largest share of misrouted requests among those routed"
    )
    parser.add_argument(
        "--delta", type=share, help="largest probability that it exceeds --alpha (default: 0.05)"
    )


def guarantee_wanted(arguments: argparse.Namespace) -> GuaranteeConfig | None:
    """The guarantee in the options of `add_guarantee`.

    Raises:
        CommandError: --delta is given without --alpha.
    """
    if arguments.alpha is None and arguments.delta is not None:
        raise CommandError("--delta is the certainty of --alpha; give --alpha too")
    if arguments.alpha is None:
        return None
    if arguments.delta is None:
        return GuaranteeConfig(alpha=arguments.alpha)
    return GuaranteeConfig(alpha=arguments.alpha, delta=arguments.delta)


def results_folder(path: Path, *marks: str) -> Path:
    """Makes a folder for results; an existing one must be empty or hold earlier results.

    Args:
        path: the folder.
        marks: the files that identify earlier results; one of them suffices.

    Raises:
        CommandError: the folder holds something else, or cannot be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        known = any((path / mark).is_file() for mark in marks)
        strange = not known and any(path.iterdir())
    except OSError as error:
        raise CommandError(
            f"--out {path}: cannot be a folder ({error.strerror}); name another"
        ) from error
    if strange:
        raise CommandError(
            f"--out {path}: holds files, and {marks[0]} is none of them; name an empty or a new "
            "folder"
        )
    if not os.access(path, os.W_OK):
        raise CommandError(f"--out {path}: cannot be written to; name another folder")
    return path


def check_engines(specs: Sequence[ModelSpec]) -> None:
    """Lets the engines of models validate their options, without loading weights.

    Raises:
        ConfigError: a line for each model whose options are wrong.
    """
    from deployments.engine import EngineContext, create_engines

    try:
        create_engines({spec.name: spec for spec in specs}, EngineContext(cache()))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def cache() -> Path:
    """The directory of model files."""
    return cache_dir(os.environ)


def positive(text: str) -> int:
    """A whole number above zero, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)


def port(text: str) -> int:
    """A TCP port, for argparse."""
    if positive(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; the last is {_LAST_PORT}")
    return int(text)


def amount(text: str) -> float:
    """A number above zero, such as money, for argparse."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return number


def share(text: str) -> float:
    """A number strictly between 0 and 1, for argparse."""
    number = _number(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1, such as 0.05")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
