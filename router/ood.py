"""The out-of-distribution (OOD) score of a query: high if it is unlike every niche's prompts.

It combines two measures that complement each other. The head's energy uses the directions that
separate the niches, and misses distance in other directions; the similarity to the nearest
prototype uses all directions, without knowing which of them matter. Both are standardised on the
niches' validation rows (mean 0, standard deviation 1) and added; the score is the negative of the
sum.

Sources: Liu et al., Energy-based out-of-distribution detection, arXiv:2010.03759; Sun et al.,
Out-of-distribution detection with deep nearest neighbors, arXiv:2204.06507.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of a quantity over the niches' validation rows.

    Raises:
        ValueError: `spread` is not above 0, or a number is not finite.
    """

    mean: float
    spread: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.spread) and self.spread > 0):
            raise ValueError(f"a scale of mean {self.mean} and spread {self.spread}")

    @classmethod
    def of(cls, values: Doubles) -> "Scale":
        """The scale of values of shape (n,); constant values get a spread of 1."""
        return cls(float(values.mean()), float(values.std()) or 1.0)

    def apply(self, values: Doubles) -> Doubles:
        """The values in standard deviations from the mean, shape (n,)."""
        return np.asarray((values - self.mean) / self.spread)


@dataclass(frozen=True, slots=True, eq=False)
class OodDetector:
    """Scores how unlike the training prompts queries are.

    Attributes:
        prototypes: centres of the niches' training vectors, shape (m, dimensions).
        energy: scale of the head's negative energy.
        similarity: scale of the similarity to the nearest prototype.
        max_score: the largest score that is in distribution.

    Raises:
        ValueError: there is no prototype, or a number is not finite.
    """

    prototypes: Floats
    energy: Scale
    similarity: Scale
    max_score: float = np.inf

    def __post_init__(self) -> None:
        if self.prototypes.ndim != 2 or not len(self.prototypes):
            raise ValueError(f"prototypes of shape {self.prototypes.shape}, expected (m > 0, n)")
        if not np.isfinite(self.prototypes).all() or np.isnan(self.max_score):
            raise ValueError("a prototype or max_score is not a number")

    def scores(self, negative_energy: Doubles, vectors: Floats) -> Doubles:
        """OOD scores of n queries, shape (n,); higher is less like the training prompts.

        Args:
            negative_energy: of `Head.negative_energy`, shape (n,).
            vectors: of the queries, shape (n, dimensions).
        """
        similarity = nearest(self.prototypes, vectors)
        return -(self.energy.apply(negative_energy) + self.similarity.apply(similarity))


def nearest(prototypes: Floats, vectors: Floats) -> Doubles:
    """Inner product of n vectors with the prototype nearest to each, shape (n,)."""
    if not len(vectors):
        return np.zeros(0)
    return np.asarray((vectors @ prototypes.T).max(axis=1), np.float64)
