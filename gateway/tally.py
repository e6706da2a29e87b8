"""Counts a request's usage as its chunks pass, and computes its cost."""

from dataclasses import dataclass

from deployments.protocol import Chunk, Usage
from deployments.spec import ModelSpec, Price


class Tally:
    """The tokens of one answer, of one or more choices."""

    def __init__(self) -> None:
        self._prompt_tokens = self._tokens = 0
        self._usage: Usage | None = None
        self._reasons: dict[int, str] = {}

    def add(self, chunk: Chunk) -> None:
        """Counts a chunk."""
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
        return self._usage or Usage(self._prompt_tokens, self._tokens)


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
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    return Costs(
        list_price=model.price.of(*tokens),
        baseline=generalist.price.of(*tokens),
        attributed=attributed_cost(usage, model.price),
    )
