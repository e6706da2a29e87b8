"""Options that several commands share, and the outside world, read once."""

import argparse
import os
from pathlib import Path

from deployments.models.cache import cache_dir

__all__ = ["Subparsers", "add_config", "add_data_dir", "cache"]

Subparsers = argparse._SubParsersAction


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
