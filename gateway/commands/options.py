"""Options that several commands share, and the outside world, read once."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.models.cache import cache_dir
from gateway.config import ConfigError, NicheConfig

__all__ = ["Subparsers", "add_config", "add_data_dir", "cache", "check_engines", "port", "positive"]

_LAST_PORT = 65535

if TYPE_CHECKING:
    # argparse gives the type of what `add_subparsers` returns no public name
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = object


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config PATH`."""
    parser.add_argument(
        "--config", type=Path, default=Path("niche.yaml"), help="the stack (default: niche.yaml)"
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """`--data-dir PATH`."""
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="where the public data sets lie"
    )


def check_engines(config: NicheConfig) -> None:
    """Lets every model's engine look at its own options, without loading weights.

    Raises:
        ConfigError: a line for each model whose options are wrong.
    """
    from deployments.engine import (  # noqa: PLC0415 - an engine brings torch, which takes seconds
        EngineContext,
        create_engine,
    )

    faults = []
    for spec in config.models:
        try:
            create_engine(spec, EngineContext(cache()))
        except ValueError as error:
            faults.append(f"model {spec.name!r}: {error}")
    if faults:
        raise ConfigError("\n".join(faults))


def cache() -> Path:
    """Where model files are kept."""
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
