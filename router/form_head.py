"""The form head: one linear layer that tells apart the forms in which requests are put.

It explains decisions and takes no part in them: a prompt inside another task ("Translate this:
...") goes to the generalist, and its form says why.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from router.types import Form

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FormHead:
    """Weights of the layer.

    Attributes:
        names: the forms.
        weights: shape (forms, dimensions).
        bias: shape (forms,).

    Raises:
        ValueError: shapes do not fit, or a number is not finite.
    """

    names: tuple[str, ...]
    weights: Floats
    bias: Floats

    def __post_init__(self) -> None:
        count = len(self.names)
        if self.weights.ndim != 2 or not len(self.weights) == len(self.bias) == count:
            raise ValueError(
                f"form weights of shape {self.weights.shape} and biases of shape "
                f"{self.bias.shape} do not fit {count} forms"
            )
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ValueError("a form weight is not a finite number")

    def likeliest(self, vector: Floats) -> Form:
        """The likeliest form of a text; its vector has shape (dimensions,)."""
        shares = softmax((self.weights @ vector + self.bias).astype(np.float64))
        best = int(shares.argmax())
        return Form(self.names[best], float(shares[best]))
