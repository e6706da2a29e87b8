"""How familiar a query looks to the niches: low when none of them has seen anything like it.

Two views, each blind where the other sees. The head's energy knows what tells the niches apart and
misses what lies far off in a direction that it never needed; the distance to the nearest prototype
knows where the training prompts lie and not what matters there. Both are brought to the scale of
the niches' own validation rows (mean 0, standard deviation 1), and added.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of a score over the niches' validation rows.

    Raises:
        ValueError: `spread` is not above 0, or a number is not finite.
    """

    mean: float
    spread: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.spread) and self.spread > 0):
            raise ValueError(f"a scale of mean {self.mean} and spread {self.spread}")

    @classmethod
    def of(cls, scores: Doubles) -> "Scale":
        """The scale of scores of shape (n,); scores that are all alike keep their unit."""
        return cls(float(scores.mean()), float(scores.std()) or 1.0)

    def apply(self, scores: Doubles) -> Doubles:
        """The scores in standard deviations from the mean, shape (n,)."""
        return np.asarray((scores - self.mean) / self.spread)


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The familiarity of queries.

    Attributes:
        prototypes: centres of the niches' training vectors, shape (m, dimensions).
        energy: scale of the head's energy.
        likeness: scale of the similarity to the nearest prototype.
        threshold: familiarity below which a query is out of scope.

    Raises:
        ValueError: there is no prototype, or a number is not finite.
    """

    prototypes: Floats
    energy: Scale
    likeness: Scale
    threshold: float = -np.inf

    def __post_init__(self) -> None:
        if self.prototypes.ndim != 2 or not len(self.prototypes):
            raise ValueError(f"prototypes of shape {self.prototypes.shape}, expected (m > 0, n)")
        if not np.isfinite(self.prototypes).all() or np.isnan(self.threshold):
            raise ValueError("a prototype or the threshold is not a number")

    def nearest(self, vectors: Floats) -> Doubles:
        """Inner product of n vectors with the prototype nearest to each, shape (n,)."""
        return nearest(self.prototypes, vectors)

    def familiarity(self, energy: Doubles, vectors: Floats) -> Doubles:
        """Familiarity of n queries with these energies and vectors, shape (n,)."""
        return self.energy.apply(energy) + self.likeness.apply(self.nearest(vectors))


def nearest(prototypes: Floats, vectors: Floats) -> Doubles:
    """Inner product of n vectors with the prototype nearest to each, shape (n,)."""
    if not len(vectors):
        return np.zeros(0)
    return np.asarray((vectors @ prototypes.T).max(axis=1), np.float64)
