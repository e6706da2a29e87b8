"""Errors of a training run before it trains. Does not import torch, for the command line."""

from pathlib import Path


class RecipeError(ValueError):
    """Settings, examples or a checkpoint do not fit; the message names the thing and the remedy."""


class OtherRunError(RecipeError):
    """A checkpoint belongs to another run; `path` is its path."""

    def __init__(self, path: Path, differing: str) -> None:
        super().__init__(
            f"{path} was written with a different {differing}; "
            "use the same settings, or remove it to start again"
        )
        self.path = path
