"""Metrics of predicted probabilities: log loss, calibration, and the risk at each threshold."""

import numpy as np
from numpy.typing import NDArray

from lab.routing.values import Reliability, ReliabilityBin, RiskCoverage, RiskPoint

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

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


def reliability(confidence: Doubles, right: Flags) -> Reliability:
    """The calibration of n confidences, over 15 bins; NaN without rows.

    Args:
        confidence: in [0, 1], shape (n,).
        right: whether the first choice was right, shape (n,).
    """
    place = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    rows = np.bincount(place, minlength=_BINS)
    total = np.maximum(rows, 1)
    means = np.bincount(place, confidence, _BINS) / total
    shares = np.bincount(place, right, _BINS) / total
    columns = (rows.tolist(), means.tolist(), shares.tolist())
    bins = tuple(
        ReliabilityBin(index / _BINS, (index + 1) / _BINS, *row)
        for index, row in enumerate(zip(*columns, strict=True))
    )
    if not len(confidence):
        return Reliability(bins, np.nan, np.nan)
    gaps = (confidence - right)[np.argsort(confidence, kind="stable")]
    parts = np.array_split(gaps, _BINS)
    return Reliability(
        bins=bins,
        ece=float(rows @ np.abs(means - shares) / len(confidence)),
        adaptive_ece=float(sum(abs(part.sum()) for part in parts) / len(confidence)),
    )


def risk_coverage(confidence: Doubles, wrong: Flags, rows: int) -> RiskCoverage:
    """Coverage and risk at each threshold on the confidence.

    Args:
        confidence: of the m rows that a specialist would get without a threshold, (m,).
        wrong: whether it would be the wrong specialist, shape (m,).
        rows: the total number of rows, at least m.
    """
    if not len(confidence):
        return RiskCoverage((), np.nan)
    order = np.argsort(-confidence, kind="stable")
    confidence, errors = confidence[order], np.cumsum(wrong[order])
    # A threshold cannot separate rows of equal confidence.
    ends = np.flatnonzero(np.append(np.diff(confidence) != 0, True))
    routed, risk = ends + 1, errors[ends] / (ends + 1)
    columns = (confidence[ends].tolist(), (routed / rows).tolist(), risk.tolist())
    return RiskCoverage(
        points=tuple(RiskPoint(*point) for point in zip(*columns, strict=True)),
        area=float(risk @ np.diff(routed, prepend=0) / len(confidence)),
    )
