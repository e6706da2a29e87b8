"""Whether probabilities mean what they say."""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

_BINS = 15


def log_loss(probabilities: Doubles, truth: Indices) -> float:
    """Mean negative log-probability of the truth, in nats; shapes (n, classes) and (n,)."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(chosen, 1e-12, 1)).mean())


def calibration_error(probabilities: Doubles, truth: Indices) -> float:
    """Expected calibration error of the first choice, over 15 bins of equal width."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(right[bins == b].sum()) - float(confidence[bins == b].sum()))
        for b in range(_BINS)
    ]
    return sum(gaps) / max(len(truth), 1)
