"""An encoder that remembers vectors: the steps of a training read the same texts again."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from router.classifier import Encoded, TextEncoder

Floats = NDArray[np.float32]


class CachingEncoder:
    """Encodes each text once, and caches the vectors.

    Attributes:
        name, sha256: the encoder's.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, tuple[Floats, bool]] = {}
        self.name, self.sha256 = encoder.name, encoder.sha256

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The texts' vectors, in order."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        found = self._encoder.encode(new)
        if not texts:
            return found
        self._known |= {
            text: (vector, bool(cut))
            for text, vector, cut in zip(new, found.vectors, found.truncated, strict=True)
        }
        vectors, truncated = zip(*(self._known[text] for text in texts), strict=True)
        return Encoded(np.array(vectors), np.array(truncated))
