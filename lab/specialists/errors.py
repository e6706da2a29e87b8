"""What can be wrong with a training run before it trains. Free of torch, for the command line."""

from pathlib import Path


class RecipeError(ValueError):
    """Settings, examples or a checkpoint do not fit; the message names the thing and the remedy."""


class OtherRunError(RecipeError):
    """A checkpoint is of another run; `path` is where it lies."""

    def __init__(self, path: Path, differing: str) -> None:
        super().__init__(
            f"{path} was written with another {differing}; "
            "use the same settings, or remove it to start again"
        )
        self.path = path
