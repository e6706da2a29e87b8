"""Options that several commands share, and the outside world, read once."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.models.cache import cache_dir

__all__ = ["Subparsers", "add_config", "add_data_dir", "cache"]

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


def cache() -> Path:
    """Where model files are kept."""
    return cache_dir(os.environ)
