"""Settings chosen on validation rows after the head is fitted (temperature, OOD threshold,
confidence threshold), and the calibration data for guarantees."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from lab.routing.fit import Part
from lab.routing.metrics import calibration_error, log_loss
from router.guarantee import threshold_grid
from router.head import Head
from router.ood import OodDetector, Scale, nearest
from router.trained import Calibration
from router.types import GENERAL

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

_CONFIDENCES = np.round(np.arange(0.5, 1.0, 0.01), 2)

_GRID_OF_NOTHING = np.array([0.5])
"""Used if no validation row reaches a specialist."""


def calibrate_temperature(head: Head, validation: Part) -> Head:
    """The head with the temperature chosen on validation rows; see `choose_temperature`."""
    logits = head.logits(validation.vectors)
    return replace(head, temperature=choose_temperature(logits, head.domains, validation.truth))


def calibrate_ood(head: Head, prototypes: Floats, validation: Part, quantile: float) -> OodDetector:
    """Builds the OOD detector, with the threshold at a quantile of the niches' validation rows.

    Args:
        head: fitted.
        prototypes: the niches' prototypes, shape (m, dimensions).
        validation: rows, some of them of niches.
        quantile: the share of the niches' rows that may be classified as out of distribution.
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
    """The lowest confidence threshold that keeps misroutes on validation rows within the limit."""
    confidence, wrong = _offers(head, ood, validation)
    offered = np.isfinite(confidence)
    return choose_confidence(confidence[offered], wrong[offered], max_misroutes)


def keep_calibration(
    head: Head, ood: OodDetector, validation: Part, held_out: Part, excess_loss: Doubles
) -> Calibration:
    """The calibration data for guarantees; its threshold grid comes from the validation rows.

    Args:
        head: with its temperature.
        ood: with its threshold.
        validation: rows for the grid.
        held_out: the calibration rows, in an order independent of their losses.
        excess_loss: of the calibration rows, NaN if unknown, shape (n,).
    """
    confidence, _ = _offers(head, ood, validation)
    certain, misroute = _offers(head, ood, held_out)
    offered = np.isfinite(confidence).any()
    grid = threshold_grid(confidence) if offered else _GRID_OF_NOTHING
    return Calibration(certain, misroute, excess_loss, grid)


def choose_temperature(logits: Doubles, domains: Indices, truth: Indices) -> float:
    """The temperature that fits one half of the rows best, if it also improves the other half; else
    1.

    Args:
        logits: shape (n, sub-clusters).
        domains: the class of each sub-cluster.
        truth: the class of each row, shape (n,).
    """
    roll_up = np.eye(int(domains.max()) + 1)[domains]

    def probabilities(temperature: float, rows: slice) -> Doubles:
        return np.asarray(softmax(logits[rows] / temperature, axis=1) @ roll_up)

    def loss(log_temperature: float) -> float:
        return log_loss(probabilities(float(np.exp(log_temperature)), fit), truth[fit])

    fit, check = slice(0, None, 2), slice(1, None, 2)
    found = float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))
    before, after = probabilities(1.0, check), probabilities(found, check)
    helps = log_loss(after, truth[check]) < log_loss(before, truth[check]) and calibration_error(
        after, truth[check]
    ) <= calibration_error(before, truth[check])
    return found if helps else 1.0


def choose_confidence(confidence: Doubles, wrong: NDArray[np.bool_], limit: float) -> float:
    """The lowest threshold at which at most `limit` of the rows are wrong; 0.99 if there is none.

    Args:
        confidence: confidence of rows that a specialist would get, shape (n,).
        wrong: whether it would be the wrong specialist, shape (n,).
        limit: the largest share of wrong rows.
    """
    for threshold in _CONFIDENCES:
        above = confidence >= threshold
        if wrong[above].sum() <= limit * above.sum():
            return float(threshold)
    return float(_CONFIDENCES[-1])


def _offers(head: Head, ood: OodDetector, rows: Part) -> tuple[Doubles, NDArray[np.bool_]]:
    """For each row, the confidence of the specialist that gets it at the loosest threshold (-inf if
    the generalist gets it), and whether that specialist is wrong."""
    logits = head.logits(rows.vectors)
    probabilities = head.probabilities(logits)
    chosen = probabilities.argmax(axis=1)
    inside = ood.scores(head.negative_energy(logits), rows.vectors) <= ood.max_score
    offered = _is_niche(head)[chosen] & inside
    return np.where(offered, probabilities.max(axis=1), -np.inf), chosen != rows.truth


def _is_niche(head: Head) -> NDArray[np.bool_]:
    return np.array([domain != GENERAL for domain in head.classes])
