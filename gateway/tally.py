"""Counts a request's usage as its chunks pass, and computes its cost."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from deployments.protocol import Chunk, Usage
from deployments.spec import ModelSpec, Price
from router.types import Query

_CHARACTERS_PER_TOKEN = 4  # of English text, roughly


class Tally:
    """The tokens of one answer, of one or more choices.

    Args:
        prompt_characters: of the prompt's text, by which its tokens are estimated in an answer that
            is cut off before the model counts them; asked for then.
    """

    def __init__(self, prompt_characters: Callable[[], int] = lambda: 0) -> None:
        self._prompt_tokens = self._tokens = 0
        self._begun = False
        self._prompt_characters = prompt_characters
        self._usage: Usage | None = None
        self._reasons: dict[int, str] = {}

    def add(self, chunk: Chunk) -> None:
        """Counts a chunk."""
        self._begun = True
        self._tokens += chunk.tokens
        self._prompt_tokens = chunk.prompt_tokens or self._prompt_tokens
        self._usage = chunk.usage or self._usage
        self._reasons.update(chunk.finish_reasons)

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        """Of the choices that have finished, in their order."""
        return tuple(reason for _, reason in sorted(self._reasons.items()))

    @property
    def usage(self) -> Usage:
        """The model's, or what was seen of an answer that was cut off."""
        if self._usage is not None or not self._begun:
            return self._usage or Usage(0, 0)
        estimate = math.ceil(self._prompt_characters() / _CHARACTERS_PER_TOKEN)
        return Usage(self._prompt_tokens or estimate, self._tokens)


def characters(query: Query) -> int:
    """How long the texts of a query are."""
    return len(query.text or "") + sum(len(message.content) for message in query.messages)


@dataclass(frozen=True, slots=True)
class Costs:
    """Currency units, never mixed.

    Attributes:
        list_price: tokens times the answering model's price.
        baseline: the same tokens at the generalist's price.
        attributed: engine seconds times the price of the machine.
    """

    list_price: float
    baseline: float
    attributed: float


def attributed_cost(usage: Usage, price: Price) -> float:
    """What the engine's work costs on its machine, in currency units."""
    return usage.engine_seconds * price.machine_per_hour / 3600


def costs_of(usage: Usage, model: ModelSpec, generalist: ModelSpec) -> Costs:
    """What `usage` costs at the model that answered, and would have cost at the generalist."""
    tokens = (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
    return Costs(
        list_price=model.price.of(*tokens),
        baseline=generalist.price.of(*tokens),
        attributed=attributed_cost(usage, model.price),
    )
