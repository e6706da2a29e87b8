"""What may be added to a finished answer, by the name that a niche and an adapter's card give it.

A model that writes an equation better than it works it out leaves the result to a calculator. What
is added is no token of the model's: it costs nothing and has no log-probability.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from deployments.calculator import completed

Completion = Literal["calculator"]

COMPLETIONS: Mapping[Completion, Callable[[str], str]] = {"calculator": completed}


def completion(name: Completion | None) -> Callable[[str], str]:
    """The function from an answer to what is added to it; without a name it adds nothing."""
    return _nothing if name is None else COMPLETIONS[name]


def _nothing(_: str) -> str:
    return ""
