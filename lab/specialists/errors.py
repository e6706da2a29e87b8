"""What can be wrong with a training run before it trains, and how the faults of many rows are
reported: together, one a line. Free of torch, for the command line."""

from collections.abc import Sequence
from pathlib import Path

_MAX_FAULTS = 20
_MAX_CHARACTERS = 60


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


def format_faults(faults: Sequence[str]) -> str:
    """The faults as lines; of very many the first, and how many more there are."""
    more = len(faults) - _MAX_FAULTS
    rest = [f"and {more:,} more"] if more > 0 else []
    return "\n".join([*faults[:_MAX_FAULTS], *rest])


def shorten(value: object) -> str:
    """A value's `repr`, short enough for a message."""
    text = repr(value)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 3]}..."
