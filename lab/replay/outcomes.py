"""What models answered to the same prompts: the score and the cost of each, as recorded.

Rule: every prompt was answered by every model. Models stand in the order of their mean cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lab.routing.rows import wording
from router.errors import DataError

Doubles = NDArray[np.float64]


class Recorded(Protocol):
    """One prompt with what each model made of it."""

    @property
    def prompt(self) -> str:
        """What was asked."""

    @property
    def scores(self) -> Mapping[str, float]:
        """How good each model's answer was, in [0, 1]."""

    @property
    def costs(self) -> Mapping[str, float]:
        """What each model's answer cost, at least 0, in one unit for all."""

    @property
    def group(self) -> str | None:
        """The domain; None where nobody knows it."""

    @property
    def cluster(self) -> str | None:
        """What must not be split between training and test; None: prompts of the same wording."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The scores and costs of n prompts and k models.

    Attributes:
        prompts: n texts.
        groups: the domain of each; None where they are not known.
        clusters: what is drawn, and put into a fold, together.
        models: k names, by mean cost, the cheapest first.
        scores: in [0, 1], shape (n, k).
        costs: at least 0, shape (n, k).

    Raises:
        DataError: there is nothing to choose between.
    """

    prompts: tuple[str, ...]
    groups: tuple[str, ...] | None
    clusters: tuple[str, ...]
    models: tuple[str, ...]
    scores: Doubles
    costs: Doubles

    def __post_init__(self) -> None:
        if len(self.models) < 2:
            raise DataError("the outcomes are of one model; routing needs two, record another")
        if len(set(self.clusters)) < 2:
            raise DataError("the outcomes are of one prompt; record more")
        low, *_, high = self.costs.mean(axis=0)
        if not low < high:
            raise DataError(
                "all models cost the same, so there is nothing to save; give costs that differ, "
                "or --price MODEL=COST"
            )

    @property
    def best(self) -> int:
        """The model with the best mean score; of several the cheapest."""
        return int(self.scores.mean(axis=0).argmax())

    @property
    def gain(self) -> Doubles | None:
        """How much better the best model is than the cheapest, on each prompt, shape (n,).

        None where the cheapest is the best: there is no gain to recover.
        """
        return None if self.best == 0 else self.scores[:, self.best] - self.scores[:, 0]

    def sample(self, count: int, seed: int = 0) -> "Outcomes":
        """So many of the prompts, drawn by lot, in their order; all if there are not more."""
        size = min(count, len(self.prompts))
        kept = np.sort(np.random.default_rng(seed).permutation(len(self.prompts))[:size])
        return _outcomes(
            [self.prompts[at] for at in kept],
            None if self.groups is None else [self.groups[at] for at in kept],
            [self.clusters[at] for at in kept],
            (self.models, self.scores[kept], self.costs[kept]),
        )


def gather(rows: Sequence[Recorded]) -> Outcomes:
    """Recorded rows as one value.

    Raises:
        DataError: they name different models, or some have a group and others none, or there is
            nothing to choose between.
    """
    if not rows:
        raise DataError("there are no outcomes; record some")
    names = list(rows[0].scores)
    for number, row in enumerate(rows, start=1):
        if set(row.scores) != set(names):
            raise DataError(
                f"outcome {number} has scores of {', '.join(sorted(row.scores))}, the first of "
                f"{', '.join(sorted(names))}; every model must have answered every prompt"
            )
    groups = [row.group for row in rows if row.group is not None]
    if groups and len(groups) < len(rows):
        raise DataError(f"{len(rows) - len(groups):,} outcomes have no group; give all one or none")
    table = {
        kind: np.array([[values[name] for name in names] for values in of], np.float64)
        for kind, of in (
            ("scores", [row.scores for row in rows]),
            ("costs", [row.costs for row in rows]),
        )
    }
    return _outcomes(
        [row.prompt for row in rows],
        groups or None,
        [wording(row.prompt) if row.cluster is None else row.cluster for row in rows],
        (names, table["scores"], table["costs"]),
    )


def _outcomes(
    prompts: Sequence[str],
    groups: Sequence[str] | None,
    clusters: Sequence[str],
    answers: tuple[Sequence[str], Doubles, Doubles],
) -> Outcomes:
    models, scores, costs = answers
    order = np.argsort(costs.mean(axis=0), kind="stable")
    return Outcomes(
        prompts=tuple(prompts),
        groups=None if groups is None else tuple(groups),
        clusters=tuple(clusters),
        models=tuple(models[at] for at in order),
        scores=scores[:, order],
        costs=costs[:, order],
    )
