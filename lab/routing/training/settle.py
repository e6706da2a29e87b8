"""What validation rows calibrate of a fitted head: temperature, OOD detector, confidence threshold;
and what calibration rows keep for guarantees."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lab.routing.training.fit import Part
from lab.routing.training.thresholds import choose_confidence, choose_temperature
from router.guarantee import threshold_grid
from router.head import Head
from router.ood import OodDetector, Scale, nearest
from router.trained import Calibration
from router.types import GENERAL

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_GRID_OF_NOTHING = np.array([0.5])
"""Where no validation row reaches a specialist, any threshold is as good."""


def calibrate_temperature(head: Head, validation: Part) -> Head:
    """The head with the temperature that helps on validation rows; see `choose_temperature`."""
    logits = head.logits(validation.vectors)
    return replace(head, temperature=choose_temperature(logits, head.domains, validation.truth))


def calibrate_ood(head: Head, prototypes: Floats, validation: Part, quantile: float) -> OodDetector:
    """The detector in units of the niches' validation rows, of which it declines a share.

    Args:
        head: fitted.
        prototypes: of the niches, shape (m, dimensions).
        validation: rows, some of them of niches.
        quantile: the share of the niches' rows that may be taken for out of distribution.
    """
    niches = _is_niche(head)[validation.truth]
    vectors = validation.vectors[niches]
    energy = head.negative_energy(head.logits(vectors))
    detector = OodDetector(prototypes, Scale.of(energy), Scale.of(nearest(prototypes, vectors)))
    scores = detector.scores(energy, vectors)
    return replace(detector, max_score=-float(np.quantile(-scores, quantile)))


def calibrate_confidence(
    head: Head, ood: OodDetector, validation: Part, max_misroutes: float
) -> float:
    """The lowest confidence from which few enough of the validation rows are misrouted."""
    confidence, wrong = _offers(head, ood, validation)
    offered = np.isfinite(confidence)
    return choose_confidence(confidence[offered], wrong[offered], max_misroutes)


def keep_calibration(
    head: Head, ood: OodDetector, validation: Part, held_out: Part, excess_loss: Doubles
) -> Calibration:
    """The calibration rows as guarantees need them; the grid comes from the validation rows.

    Args:
        head: with its temperature.
        ood: with its threshold.
        validation: rows for the grid.
        held_out: the calibration rows, in an order that has nothing to do with their losses.
        excess_loss: of the calibration rows, NaN where it is not known, shape (n,).
    """
    confidence, _ = _offers(head, ood, validation)
    certain, misroute = _offers(head, ood, held_out)
    offered = np.isfinite(confidence).any()
    grid = threshold_grid(confidence) if offered else _GRID_OF_NOTHING
    return Calibration(certain, misroute, excess_loss, grid)


def _offers(head: Head, ood: OodDetector, rows: Part) -> tuple[Doubles, NDArray[np.bool_]]:
    """For each row the confidence of the specialist that would get it at the loosest threshold,
    -inf where the generalist would, and whether that specialist is the wrong one."""
    logits = head.logits(rows.vectors)
    probabilities = head.probabilities(logits)
    chosen = probabilities.argmax(axis=1)
    inside = ood.scores(head.negative_energy(logits), rows.vectors) <= ood.max_score
    offered = _is_niche(head)[chosen] & inside
    return np.where(offered, probabilities.max(axis=1), -np.inf), chosen != rows.truth


def _is_niche(head: Head) -> NDArray[np.bool_]:
    return np.array([domain != GENERAL for domain in head.classes])
