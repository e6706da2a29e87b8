"""Vectors of noisy copies of rows."""

import numpy as np

from lab.routing.fit import Part
from lab.routing.noise import noisy
from router.classifier import TextEncoder
from router.conversation import DecidingTexts


def noisy_copies(deciding: DecidingTexts, rows: Part, encoder: TextEncoder) -> Part:
    """Noisy copies of rows."""
    copies = [noisy(text) for text in deciding.texts]
    vectors = encoder.encode([text for turn in zip(*copies, strict=True) for text in turn]).vectors
    return Part(vectors, np.resize(rows.truth, len(vectors)))
