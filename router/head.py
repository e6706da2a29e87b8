"""The trained head: one linear layer over sub-clusters, summed per domain.

A domain consists of several sub-clusters of prompts, each with its row of the layer. The
probability of a domain is the sum over its sub-clusters. The negative energy of a query is log sum
exp of its logits over the sub-clusters of all niches: low if the query fits none. `general` is left
out, since likeness to general traffic does not mean that a specialist knows a query.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from router.types import GENERAL

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Weights of a trained router.

    Attributes:
        classes: the domains; `GENERAL` may be one of them.
        weights: shape (sub-clusters, dimensions).
        bias: shape (sub-clusters,).
        domains: index into `classes` for each sub-cluster, shape (sub-clusters,).
        temperature: divides the logits before the softmax.

    Raises:
        ValueError: shapes do not fit, a number is not finite, or a domain has no sub-cluster.
    """

    classes: tuple[str, ...]
    weights: Floats
    bias: Floats
    domains: NDArray[np.int64]
    temperature: float = 1.0

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
        if len(self.classes) < 2:
            raise ValueError(f"the classes {self.classes} leave nothing to tell apart")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ValueError("a weight is not a finite number")
        if not self.temperature > 0:
            raise ValueError(f"temperature {self.temperature} must be above 0")

    def logits(self, vectors: Floats) -> Doubles:
        """Logits of n vectors, shape (n, sub-clusters)."""
        return (vectors @ self.weights.T + self.bias).astype(np.float64)

    def probabilities(self, logits: Doubles) -> Doubles:
        """Probability per domain of n rows of logits, shape (n, classes)."""
        parts = softmax(logits / self.temperature, axis=1)
        return parts @ np.eye(len(self.classes))[self.domains]

    def negative_energy(self, logits: Doubles) -> Doubles:
        """Negative energy of n rows of logits, shape (n,); lower is further out of distribution."""
        niches = [name != GENERAL for name in self.classes]
        return np.asarray(logsumexp(logits[:, np.array(niches)[self.domains]], axis=1))
