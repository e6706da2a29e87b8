"""The routing guarantee: the loosest confidence threshold whose risk is bounded, or none.

The operator sets `alpha` and `delta`. With a probability of at least 1 - delta over the draw of the
calibration rows, the risk among the requests that are routed at the threshold is at most alpha:

    misroute      the share of the routed requests that go to a wrong specialist
    excess_loss   the generalist's mean score on the routed requests minus the specialists'
                  mean score on the same requests

This is Learn-then-Test (Angelopoulos et al., arXiv:2110.01052). Each threshold of a grid is a null
hypothesis, "the risk is above alpha"; they are tested in order, and the loosest rejected one is
taken. This assumes nothing about the classifier; the risk need not be monotone in the threshold.

The grid must not depend on the calibration rows. `threshold_grid` makes one from the confidences of
validation rows: then a threshold is a constant, the rows above it are independent draws from the
routed requests, and given their number their errors are binomial. Hence the p-value of a misroute
is binomial (its bound is Clopper and Pearson's), and that of an excess loss comes from betting
(`router.selection.betting`): both are valid for every number of rows.

The order is strict to loose, from three starts: the fallback procedure (Wiens and Dmitrienko,
2005). Each start has a part of delta; a threshold is tested at the level of its start plus the
level from its predecessor, and passes this on only if it is rejected. With one start at the
strictest threshold, a single error among its few rows would end the test. Mean share routed over
139 simulated cases (13 risk profiles, alpha 0.02 to 0.1, 200 to 3,000 rows), and the largest loss
against the best rule for a case: one start at the top 10 % of the rows 0.34 and 0.95, one at the
top 40 % 0.56 and 0.30, the three 0.57 and 0.17.

It does not cover: traffic unlike the calibration rows, near-duplicate rows, a router changed after
the rows were scored, an alpha chosen among several by its result, requests of only some of the
domains (`Policy` states nothing while one has no active specialist). Rows must be independent
draws: where they come in groups, such as of a document, the caller gives one of each. Betting
depends on the order of the rows: the caller shuffles them with a fixed seed.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, betaincinv

from router.selection.betting import LARGEST_LOSS, fixed_stakes, p_value, upper_bound

Doubles = NDArray[np.float64]
Risk = Literal["misroute", "excess_loss"]

_STRICTEST_SHARE = 0.2
# The starts of the sequence in the grid (0 is the strictest), each with its part of delta. With
# `threshold_grid` these are at the top 20, 40 and 80 % of the routed rows.
_STARTS = ((0.0, 0.25), (0.25, 0.5), (0.75, 0.25))


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The guarantee at (`alpha`, `delta`), or why there is none.

    Attributes:
        alpha: the largest risk allowed among routed requests.
        delta: the largest probability that the risk exceeds alpha.
        risk: the kind of risk.
        threshold: route at this confidence and above; None: no threshold suffices.
        routed: calibration rows that are routed at the threshold.
        rows: all calibration rows.
        observed: the mean loss of the routed rows; None without a threshold.
        bound: upper bound of the risk at the threshold, at the level of its test (delta or a part
            of it); without a threshold the smallest bound found. It shows the slack; the guarantee
            is alpha.
        reason: why there is no threshold, with the remedy; empty if there is one.
    """

    alpha: float
    delta: float
    risk: Risk
    threshold: float | None
    routed: int
    rows: int
    observed: float | None
    bound: float
    reason: str = ""

    @property
    def share(self) -> float:
        """The fraction of all calibration rows that is routed at the threshold."""
        return self.routed / self.rows

    def sentence(self) -> str:
        """The guarantee and the share of requests routed, or why there is no guarantee."""
        if self.threshold is None:
            return f"infeasible: {self.reason}"
        return (
            f"with probability {1 - self.delta:.4g}, {_RISKS[self.risk].claim.format(self.alpha)}; "
            f"{self.share:.1%} of the requests can be routed, at confidence >= "
            f"{self.threshold:.4g} (observed {self.observed:.4g} on {self.routed} of {self.rows} "
            f"rows, upper bound {self.bound:.4g})"
        )


def threshold_grid(validation_confidence: ArrayLike, steps: int = 50) -> Doubles:
    """Decreasing thresholds: the first accepts the top 20 % of the routed rows, the last all.

    Args:
        validation_confidence: of rows that are not calibration rows; -inf where the generalist
            answers whatever the confidence. Shape (n,).
        steps: how many, before equal ones are merged.

    Raises:
        ValueError: a confidence is not valid, no row is routed, or `steps` is below 1.
    """
    confidence = _confidences("validation_confidence", validation_confidence)
    routed = confidence[np.isfinite(confidence)]
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    if not len(routed):
        raise ValueError("validation_confidence has no row that is routed: all are -inf")
    shares = np.linspace(1, _STRICTEST_SHARE, steps)
    # An observed value at or below each quantile, so that at least that share is accepted.
    return np.unique(np.quantile(routed, 1 - shares, method="lower"))[::-1]


def guarantee(
    confidence: ArrayLike, loss: ArrayLike, grid: ArrayLike, alpha: float, delta: float, risk: Risk
) -> Guarantee:
    """The loosest threshold of `grid` with risk at most `alpha`, with probability 1 - `delta`.

    Args:
        confidence: probability of the classifier's first choice; -inf where the generalist answers
            whatever the confidence (its first choice is `general`, or out of scope). Shape (n,).
        loss: shape (n,), in an order that does not depend on it; not looked at where the
            confidence is -inf. `misroute`: 1 where the specialist is a wrong one, else 0.
            `excess_loss`: the generalist's score less the specialist's, in [-1, 1].
        grid: thresholds chosen without these rows, see `threshold_grid`. Shape (m,).
        alpha: the largest risk, in (0, 1).
        delta: the largest probability that the risk exceeds alpha, in (0, 1).
        risk: the kind of risk.

    Raises:
        ValueError: an argument is out of its range, or the shapes do not agree.
    """
    if risk not in _RISKS:
        raise ValueError(f"risk must be one of {', '.join(_RISKS)}, not {risk!r}")
    test = _RISKS[risk](_between_0_and_1("alpha", alpha), _between_0_and_1("delta", delta))
    confidences = _confidences("confidence", confidence)
    losses = _losses(loss, confidences, test)
    sequence = _sequence(grid, delta)
    loosest = _loosest(confidences, losses, sequence, test)
    if loosest is None:
        bound, reason = _infeasible(confidences, losses, sequence, test)
        return Guarantee(alpha, delta, risk, None, 0, len(losses), None, bound, reason)
    threshold, level = loosest
    routed = losses[confidences >= threshold]
    bound, mean = test.bound(routed, level), float(routed.mean())
    return Guarantee(alpha, delta, risk, threshold, len(routed), len(losses), mean, bound)


@dataclass(frozen=True, slots=True)
class _Misroute:
    """Tests "the risk is above alpha" on losses of 0 and 1, exactly binomial."""

    alpha: float
    delta: float
    claim: ClassVar[str] = "at most {:.4g} of the routed requests go to a wrong specialist"
    domain: ClassVar[str] = "0 or 1"

    def refuses(self, losses: Doubles) -> NDArray[np.bool_]:
        return (losses != 0) & (losses != 1)

    def p_value(self, losses: Doubles) -> float:
        return float(bdtr(losses.sum(), len(losses), self.alpha))

    def bound(self, losses: Doubles, level: float) -> float:
        errors, rows = losses.sum(), len(losses)
        return float(betaincinv(errors + 1, rows - errors, 1 - level)) if errors < rows else 1.0

    def rows_needed(self, level: float) -> float:
        """The number of error-free rows that suffices."""
        return math.log(level) / math.log1p(-self.alpha)


@dataclass(frozen=True, slots=True)
class _ExcessLoss:
    """Tests "the risk is above alpha" on losses in [-1, 1], by betting on them mapped to [0, 1]."""

    alpha: float
    delta: float
    claim: ClassVar[str] = (
        "where requests are routed, the mean score is at most {:.4g} below the generalist's"
    )
    domain: ClassVar[str] = "in [-1, 1]"

    def refuses(self, losses: Doubles) -> NDArray[np.bool_]:
        return ~(np.abs(losses) <= 1)

    def p_value(self, losses: Doubles) -> float:
        values = (losses + 1) / 2
        return float(p_value(values, (self.alpha + 1) / 2, fixed_stakes(values, self.delta)))

    def bound(self, losses: Doubles, level: float) -> float:
        values = (losses + 1) / 2
        return 2 * upper_bound(values, fixed_stakes(values, self.delta), level) - 1

    def rows_needed(self, level: float) -> float:
        """The least number of ties that suffices, with the largest stake on each."""
        growth = LARGEST_LOSS * self.alpha / (1 - self.alpha)
        return -math.log(level) / math.log1p(growth)


_Test = _Misroute | _ExcessLoss
_RISKS: dict[Risk, type[_Test]] = {"misroute": _Misroute, "excess_loss": _ExcessLoss}


def _sequence(grid: ArrayLike, delta: float) -> list[tuple[float, float]]:
    """The thresholds from strict to loose, each with the part of delta that starts there."""
    thresholds = np.unique(np.asarray(grid, dtype=np.float64))[::-1]
    if not len(thresholds) or not np.isfinite(thresholds).all():
        raise ValueError(f"grid must hold at least one threshold, all finite, not {grid!r}")
    levels = np.zeros(len(thresholds))
    for position, part in _STARTS:
        levels[round(position * (len(thresholds) - 1))] += part * delta
    return list(zip(thresholds.tolist(), levels.tolist(), strict=True))


def _loosest(
    confidence: Doubles, loss: Doubles, sequence: list[tuple[float, float]], test: _Test
) -> tuple[float, float] | None:
    """The loosest rejected threshold, and the level of its test."""
    loosest, level = None, 0.0
    for threshold, start in sequence:
        level += start
        if level == 0:
            continue  # no level left here
        if test.p_value(loss[confidence >= threshold]) <= level:
            loosest = threshold, level
        else:
            level = 0.0
    return loosest


def _infeasible(
    confidence: Doubles, loss: Doubles, sequence: list[tuple[float, float]], test: _Test
) -> tuple[float, str]:
    """The smallest bound at a start of the sequence, and the reason why it does not suffice."""
    bound, _, threshold, level = min(
        (test.bound(losses, level), -len(losses), threshold, level)
        for threshold, level in sequence
        if level
        for losses in [loss[confidence >= threshold]]
    )
    losses, needed = loss[confidence >= threshold], math.ceil(test.rows_needed(level))
    if len(losses) < needed:
        return bound, (
            f"too few rows: {len(losses)} of the {len(loss)} calibration rows have a confidence >= "
            f"{threshold:.4g}, and even without any loss at least {needed} are needed there. Add "
            f"calibration rows of other groups, or raise alpha ({test.alpha:.4g}) or delta "
            f"({test.delta:.4g})."
        )
    remedy = (
        "Add calibration rows of other groups, or raise alpha."
        if losses.mean() <= test.alpha
        else "Improve the classifier or the specialists, or raise alpha."
    )
    return bound, (
        f"the risk is too high: the smallest upper bound found is {bound:.4g}, at confidence >= "
        f"{threshold:.4g} (observed {losses.mean():.4g} on {len(losses)} rows), and alpha is "
        f"{test.alpha:.4g}. {remedy}"
    )


def _between_0_and_1(name: str, value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, not {value!r}")
    return float(value)


def _confidences(name: str, value: ArrayLike) -> Doubles:
    confidence = np.asarray(value, dtype=np.float64)
    if confidence.ndim != 1 or not len(confidence):
        raise ValueError(f"{name} must have the shape (n,), n > 0, not {confidence.shape}")
    # Sums of rounded probabilities may be slightly above 1.
    bad = ~((confidence == -np.inf) | ((confidence >= 0) & (confidence <= 1 + 1e-6)))
    if bad.any():
        raise ValueError(
            f"{name}[{bad.argmax()}] must be a probability, or -inf where the generalist answers, "
            f"not {confidence[bad][0]}"
        )
    return confidence


def _losses(value: ArrayLike, confidence: Doubles, test: _Test) -> Doubles:
    loss = np.asarray(value, dtype=np.float64)
    if loss.shape != confidence.shape:
        raise ValueError(
            f"loss must have one value per confidence: its shape is {loss.shape}, that of the "
            f"confidence {confidence.shape}"
        )
    bad = test.refuses(loss) & np.isfinite(confidence)
    if bad.any():
        raise ValueError(f"loss[{bad.argmax()}] must be {test.domain}, not {loss[bad][0]}")
    return loss
