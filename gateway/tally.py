"""Counts a request's usage as its chunks pass, and computes its cost."""

from dataclasses import dataclass

from deployments.protocol import Chunk, FinishReason, Usage
from deployments.spec import ModelSpec


class Tally:
    """The tokens of a request's choices.

    Args:
        choices: how many answers there are; choice i answers input i // n.
        n: answers per input. The prompt of each input counts once.
    """

    def __init__(self, choices: int, n: int) -> None:
        self._n = n
        self._seen = [0] * choices
        self._usage: list[Usage | None] = [None] * choices
        self._reasons: list[FinishReason | None] = [None] * choices

    def add(self, index: int, chunk: Chunk) -> None:
        """Counts a chunk of choice `index`."""
        self._seen[index] += chunk.tokens
        if chunk.usage is not None:
            self._usage[index] = chunk.usage
        if chunk.finish_reason is not None:
            self._reasons[index] = chunk.finish_reason

    @property
    def finish_reasons(self) -> tuple[FinishReason, ...]:
        """Of the choices that have finished."""
        return tuple(reason for reason in self._reasons if reason is not None)

    @property
    def usage(self) -> Usage:
        """The sum, but for the prefill, which is the first choice's; a choice that was cut off
        counts the tokens that were seen of it."""
        known = [usage for usage in self._usage if usage is not None]
        billed = [usage for usage in self._usage[:: self._n] if usage is not None]
        return Usage(
            prompt_tokens=sum(usage.prompt_tokens for usage in billed),
            completion_tokens=sum(
                seen if usage is None else usage.completion_tokens
                for seen, usage in zip(self._seen, self._usage, strict=True)
            ),
            cached_tokens=sum(usage.cached_tokens for usage in billed),
            engine_seconds=sum(usage.engine_seconds for usage in known),
            prefill_seconds=self._usage[0].prefill_seconds if self._usage[0] else None,
        )


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


def costs_of(usage: Usage, model: ModelSpec, generalist: ModelSpec) -> Costs:
    """What `usage` costs at the model that answered, and would have cost at the generalist."""
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    return Costs(
        list_price=model.price.of(*tokens),
        baseline=generalist.price.of(*tokens),
        attributed=usage.engine_seconds * model.price.machine_per_hour / 3600,
    )
