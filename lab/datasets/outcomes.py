"""Public outcomes: prompts with the scores of several models, to replay a router on.

RouteLLM's record whether Mixtral 8x7B and GPT-4 (1106) were right. They have no costs; each answer
costs the price per million tokens that RouteLLM's authors state, as if all had the same length.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.datasets.manifest import DatasetError, read_rows

_ROUTELLM_COSTS = {"mixtral_8x7b": 0.24, "gpt4_1106": 24.7}
"""In USD per million tokens."""


@dataclass(frozen=True, slots=True)
class PublicOutcome:
    """A prompt with the scores and costs of several models.

    Attributes:
        prompt: its text.
        scores: each model's score, in [0, 1].
        costs: each model's cost, in the same unit.
        group: the domain; None where the set has none.
        cluster: rows that are drawn together; None: prompts of the same wording.
    """

    prompt: str
    scores: Mapping[str, float]
    costs: Mapping[str, float]
    group: str | None = None
    cluster: str | None = None


def read(name: str, data_dir: Path) -> list[PublicOutcome]:
    """The rows of a set, in the order of its file.

    Args:
        name: one of `NAMES`.
        data_dir: the directory with the public data sets; see `lab.datasets.manifest`.

    Raises:
        DatasetError: the name is unknown, or a file is absent or altered.
    """
    if name not in _READERS:
        raise DatasetError(f"no outcomes {name!r}; known: {', '.join(NAMES)}")
    return list(_READERS[name](data_dir))


def _routellm_mmlu(data_dir: Path) -> Iterator[PublicOutcome]:
    for row in read_rows("routellm_mmlu", data_dir):
        question = row["prompt"].partition("\nA. ")[0]
        yield PublicOutcome(
            prompt=row["prompt"],
            scores=_scores(row),
            costs=_ROUTELLM_COSTS,
            group=row["subject"],
            # The same question occurs with its choices in another order.
            cluster=" ".join(question.casefold().split()),
        )


def _routellm_gsm8k(data_dir: Path) -> Iterator[PublicOutcome]:
    for row in read_rows("routellm_gsm8k", data_dir):
        yield PublicOutcome(row["prompt"], _scores(row), _ROUTELLM_COSTS)


def _scores(row: Mapping[str, Any]) -> dict[str, float]:
    return {model: float(row[model]) for model in _ROUTELLM_COSTS}


_READERS: Mapping[str, Callable[[Path], Iterator[PublicOutcome]]] = {
    "routellm_mmlu": _routellm_mmlu,
    "routellm_gsm8k": _routellm_gsm8k,
}

NAMES = tuple(_READERS)
"""The sets."""
