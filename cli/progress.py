"""Progress of long commands, on stderr, so that results on stdout can be piped."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

if TYPE_CHECKING:
    from router.classifier import Encoded, TextEncoder

_TEXTS_PER_STEP = 512


def tell(step: str) -> None:
    """Prints the current step, or an intermediate result."""
    tqdm.write(step, file=sys.stderr)


class EncoderWithBar:
    """An encoder that shows a progress bar for many texts.

    Args:
        encoder: does the work.
        texts_per_step: texts encoded at a time; fewer texts get no bar.
    """

    def __init__(self, encoder: "TextEncoder", texts_per_step: int = _TEXTS_PER_STEP) -> None:
        self._encoder = encoder
        self._step = texts_per_step
        self.name, self.sha256 = encoder.name, encoder.sha256

    def encode(self, texts: Sequence[str]) -> "Encoded":
        """The texts' vectors, in order."""
        if len(texts) <= self._step:
            return self._encoder.encode(texts)
        from router.classifier import Encoded

        # Sorted by length: the encoder batches texts of equal length.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        parts = []
        with tqdm(total=len(texts), unit="text", leave=False, disable=None) as bar:
            for start in range(0, len(order), self._step):
                part = [texts[place] for place in order[start : start + self._step]]
                parts.append(self._encoder.encode(part))
                bar.update(len(part))
        back = np.argsort(order)
        return Encoded(
            np.concatenate([part.vectors for part in parts])[back],
            np.concatenate([part.truncated for part in parts])[back],
        )
