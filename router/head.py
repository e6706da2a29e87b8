"""The trained head: one linear layer over sub-clusters, rolled up to domains.

A domain is several groups of prompts, not one: each gets a row of the layer. The probability of a
domain is the sum over its sub-clusters. The familiarity of a query is its energy, log sum exp of
the logits, over the sub-clusters of all niches: low when none of them claims it. Those of `general`
are left out, for general traffic is no reason to call a query familiar to a specialist.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from router.types import GENERAL, Scores

__all__ = ["Head"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Weights and thresholds of a trained router.

    Attributes:
        classes: the domains; `GENERAL` is among them.
        weights: shape (sub-clusters, dimensions).
        bias: shape (sub-clusters,).
        domains: index into `classes` for each sub-cluster, shape (sub-clusters,).
        temperature: divides the logits before the softmax.
        scope_threshold: familiarity below which a query is out of scope.
        min_confidence: probability below which the generalist answers.

    Raises:
        ValueError: shapes do not fit, a number is not finite, or a domain has no sub-cluster.
    """

    classes: tuple[str, ...]
    weights: Floats
    bias: Floats
    domains: NDArray[np.int64]
    temperature: float = 1.0
    scope_threshold: float = 0.0
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.bias)
        if self.weights.ndim != 2 or self.weights.shape[0] != count:
            raise ValueError(f"weights of shape {self.weights.shape} do not fit {count} biases")
        if self.domains.shape != (count,):
            raise ValueError(f"domains of shape {self.domains.shape}, expected ({count},)")
        if set(self.domains.tolist()) != set(range(len(self.classes))):
            raise ValueError(
                f"each of the {len(self.classes)} domains needs a sub-cluster of its own"
            )
        if GENERAL not in self.classes or len(self.classes) < 2:
            raise ValueError(f"the classes {self.classes} must be {GENERAL!r} and at least a niche")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ValueError("a weight is not a finite number")
        if not (self.temperature > 0 and np.isfinite(self.scope_threshold)):
            raise ValueError(
                f"temperature {self.temperature} must be above 0, "
                f"scope_threshold {self.scope_threshold} finite"
            )

    def logits(self, vectors: Floats) -> Doubles:
        """Logits of n vectors, shape (n, sub-clusters)."""
        return (vectors @ self.weights.T + self.bias).astype(np.float64)

    def probabilities(self, vectors: Floats) -> Doubles:
        """Probability per domain of n vectors, shape (n, classes)."""
        parts = softmax(self.logits(vectors) / self.temperature, axis=1)
        return parts @ np.eye(len(self.classes))[self.domains]

    def scope(self, vectors: Floats) -> Doubles:
        """Familiarity of n vectors, shape (n,); higher is more familiar."""
        niches = self.domains != self.classes.index(GENERAL)
        return np.asarray(logsumexp(self.logits(vectors)[:, niches], axis=1))

    def scores(
        self, vectors: Floats, truncated: Sequence[bool] | NDArray[np.bool_]
    ) -> list[Scores]:
        """Everything that a decision needs to know of n vectors."""
        rows = zip(self.probabilities(vectors), self.scope(vectors), truncated, strict=True)
        return [
            Scores(
                probabilities=dict(zip(self.classes, map(float, row), strict=True)),
                scope=float(scope),
                scope_threshold=self.scope_threshold,
                truncated=bool(cut),
                min_confidence=self.min_confidence,
            )
            for row, scope, cut in rows
        ]
