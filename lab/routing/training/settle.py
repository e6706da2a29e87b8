"""What validation rows settle about a fitted head: temperature, scope, threshold; and what
calibration rows keep for guarantees."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lab.routing.training.fit import Part
from lab.routing.training.thresholds import choose_confidence, choose_temperature
from router.guarantee import threshold_grid
from router.head import Head
from router.scope import Scale, Scope, nearest
from router.trained import Calibration
from router.types import GENERAL

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_GRID_OF_NOTHING = np.array([0.5])
"""Where no validation row reaches a specialist, any threshold is as good."""


def settle_temperature(head: Head, validation: Part) -> Head:
    """The head with the temperature that helps on validation rows; see `choose_temperature`."""
    logits = head.logits(validation.vectors)
    return replace(head, temperature=choose_temperature(logits, head.domains, validation.truth))


def settle_scope(head: Head, prototypes: Floats, validation: Part, quantile: float) -> Scope:
    """The scope in units of the niches' validation rows, of which it declines a share.

    Args:
        head: fitted.
        prototypes: of the niches.
        validation: rows, some of them of niches.
        quantile: the share of the niches' rows that may look out of scope.
    """
    niches = _is_niche(head)[validation.truth]
    vectors = validation.vectors[niches]
    energy = head.energy(head.logits(vectors))
    scope = Scope(prototypes, Scale.of(energy), Scale.of(nearest(prototypes, vectors)))
    familiarity = scope.familiarity(energy, vectors)
    return replace(scope, threshold=float(np.quantile(familiarity, quantile)))


def settle_confidence(head: Head, scope: Scope, validation: Part, max_misroutes: float) -> float:
    """The lowest confidence from which few enough of the validation rows are misrouted."""
    confidence, wrong = _offers(head, scope, validation)
    offered = np.isfinite(confidence)
    return choose_confidence(confidence[offered], wrong[offered], max_misroutes)


def keep_calibration(
    head: Head, scope: Scope, validation: Part, held_out: Part, excess_loss: Doubles
) -> Calibration:
    """The calibration rows as guarantees need them; the grid comes from the validation rows.

    Args:
        head: with its temperature.
        scope: with its threshold.
        validation: rows for the grid.
        held_out: the calibration rows, in an order that has nothing to do with their losses.
        excess_loss: of the calibration rows, NaN where it is not known, shape (n,).
    """
    confidence, _ = _offers(head, scope, validation)
    certain, misroute = _offers(head, scope, held_out)
    offered = np.isfinite(confidence).any()
    grid = threshold_grid(confidence) if offered else _GRID_OF_NOTHING
    return Calibration(certain, misroute, excess_loss, grid)


def _offers(head: Head, scope: Scope, rows: Part) -> tuple[Doubles, NDArray[np.bool_]]:
    """For each row the confidence of the specialist that would get it at the loosest threshold,
    -inf where the generalist would, and whether that specialist is the wrong one."""
    logits = head.logits(rows.vectors)
    probabilities = head.probabilities(logits)
    chosen = probabilities.argmax(axis=1)
    familiar = scope.familiarity(head.energy(logits), rows.vectors) >= scope.threshold
    offered = _is_niche(head)[chosen] & familiar
    return np.where(offered, probabilities.max(axis=1), -np.inf), chosen != rows.truth


def _is_niche(head: Head) -> NDArray[np.bool_]:
    return np.array([domain != GENERAL for domain in head.classes])
