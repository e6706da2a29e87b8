"""A model to be compared, and how it is asked.

A specialist is asked with its own system prompt whatever the question: on another niche's
questions that is what a wrong route would get. A generalist is asked as
`lab.specialists.evaluation.prompts` says, and is a candidate once for each way.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deployments.models.adapters import Adapter
from deployments.models.cache import sha256_of
from deployments.models.errors import ModelError
from deployments.protocol import Message
from lab.specialists.evaluation.prompts import Way, ask, room
from lab.specialists.evaluation.tasks import Task
from lab.specialists.niches.niche import Example, Niche

# A chat's template lies in the tokenizer's settings, or in a file of its own.
_BESIDE_WEIGHTS = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")

Asking = Callable[[Task], Sequence[tuple[Message, ...]] | None]
"""From a set to a chat per question; None where the model is not asked."""


def _of_task(task: Task) -> int:
    return task.max_answer_tokens


@dataclass(frozen=True)
class Weights:
    """What is loaded: a base model's directory and what is merged into it.

    Attributes:
        reference: the base as the operator names it.
        base: where it lies.
        adapter: None for the base alone.
    """

    reference: str
    base: Path
    adapter: Adapter | None = None

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Checksums of all that decides an answer, JSON values alone.

        Raises:
            ModelError: the directory holds no weights.
        """
        files = sorted(self.base.glob("*.safetensors"))
        if not files:
            raise ModelError(f"model {self.reference!r}: {self.base} has no *.safetensors")
        others = [self.base / name for name in _BESIDE_WEIGHTS]
        sums = "".join(sha256_of(file) for file in (*files, *others) if file.is_file())
        layers = self.adapter and self.adapter.layers
        return {
            "base": hashlib.sha256(sums.encode()).hexdigest(),
            "adapter": self.adapter and self.adapter.sha256,
            "layers": layers and list(layers),
        }


@dataclass(frozen=True)
class Candidate:
    """A row of the matrix: weights, how they are asked, and how many tokens an answer may have."""

    name: str
    weights: Weights
    asking: Asking
    room: Callable[[Task], int] = _of_task


def specialist(name: str, weights: Weights, system_prompt: str) -> Candidate:
    """A specialist, asked with its own system prompt on every set."""

    def asking(task: Task) -> list[tuple[Message, ...]]:
        system = Message("system", system_prompt)
        return [(system, Message("user", of.example.prompt)) for of in task.questions]

    return Candidate(name, weights, asking)


def generalist(
    name: str,
    weights: Weights,
    way: Way,
    train: Callable[[Niche], Sequence[Example]],
    *,
    general: bool,
) -> Candidate:
    """A generalist, asked in one way.

    Args:
        name: shown for it.
        weights: its own.
        way: how the niches' questions are put to it.
        train: the training rows of a niche.
        general: whether it is asked the general set too, as users write it and with no more.
    """

    def asking(task: Task) -> list[tuple[Message, ...]] | None:
        questions = [of.example.prompt for of in task.questions]
        if task.niche is None:
            return [(Message("user", question),) for question in questions] if general else None
        return ask(way, task.niche, questions, train(task.niche))

    def limit(task: Task) -> int:
        return _of_task(task) if task.niche is None else room(way, task.niche)

    return Candidate(name, weights, asking, limit)
