"""Numbers that validation rows choose: the temperature, and the lowest confidence to route at."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from lab.routing.evaluation.calibration import calibration_error, log_loss

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

_GRID = np.round(np.arange(0.5, 1.0, 0.01), 2)


def choose_temperature(logits: Doubles, domains: Indices, truth: Indices) -> float:
    """The temperature that fits one half of the rows best, if it helps the other half too; else 1.

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
    """The lowest confidence from which at most `limit` of the rows are wrong; 0.99 if none is.

    Args:
        confidence: of rows that a specialist would get, shape (n,).
        wrong: whether that specialist would be the wrong one.
        limit: the largest share of wrong rows.
    """
    for threshold in _GRID:
        above = confidence >= threshold
        if wrong[above].sum() <= limit * above.sum():
            return float(threshold)
    return float(_GRID[-1])
