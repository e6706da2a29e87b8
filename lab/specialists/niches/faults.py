"""How the faults of a file are told: together, each on a line of its own, up to a number."""

from collections.abc import Sequence

_MOST_LISTED = 20
_MOST_CHARACTERS = 60


def listed(faults: Sequence[str]) -> str:
    """The faults as lines; of very many the first, and how many there are beyond them."""
    more = len(faults) - _MOST_LISTED
    rest = [f"and {more:,} more"] if more > 0 else []
    return "\n".join([*faults[:_MOST_LISTED], *rest])


def shown(value: object) -> str:
    """A value as a fault shows it: short."""
    text = repr(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 3]}..."
