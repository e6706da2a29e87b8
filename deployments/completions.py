"""Functions that complete a finished answer, by the name in a niche or an adapter's card.

For example, a calculator adds the result of an equation that the model wrote. The added text has no
tokens: it costs nothing and has no log-probabilities.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from deployments.calculator import completed

Completion = Literal["calculator"]

COMPLETIONS: Mapping[Completion, Callable[[str], str]] = {"calculator": completed}


def completion(name: Completion | None) -> Callable[[str], str]:
    """The function from an answer to the text to add; without a name it adds nothing."""
    return _nothing if name is None else COMPLETIONS[name]


def _nothing(_: str) -> str:
    return ""
