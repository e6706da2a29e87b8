"""How good could routing by domain be? The domain oracle, and the share of the way to it.

The oracle gives each domain to whichever model answers its prompts best: the domain's specialist,
the generalist, or another specialist that was asked alone. It chooses by these very prompts, which
favours it: what is said of it errs against the router.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.comparison.lineup import AUTO, GENERALIST, ORACLE, SHUFFLE
from lab.comparison.sample import Arm, Sample, combined
from lab.statistics.bootstrap import draws, interval
from lab.statistics.interval import Interval
from lab.statistics.paired import paired


@dataclass(frozen=True)
class Gap:
    """The way from the generalist to the domain oracle.

    Attributes:
        width: quality of the oracle less the generalist's, with its interval.
        closed: the share of it that `auto` goes, with its interval; None where the oracle is not
            shown to be better than the generalist: there is no way to go.
    """

    width: Interval
    closed: Interval | None


def domain_oracle(sample: Sample) -> Arm | None:
    """The oracle as an arm; None where nobody but the generalist and the router was asked."""
    others = [name for name in sample.arms if name not in (AUTO, GENERALIST, SHUFFLE)]
    if not others:
        return None
    parts: list[Arm] = [sample.arms[GENERALIST]] * len(sample.rows)
    for domain in dict.fromkeys(sample.domains):
        places = sample.of_domain(domain)
        best = _best([sample.arms[name] for name in (GENERALIST, *others)], places)
        for place in places.tolist():
            parts[place] = best
    return combined(ORACLE, parts)


def _best(arms: Sequence[Arm], places: NDArray[np.int64]) -> Arm:
    """The arm that answers these rows best; of equals the first."""
    return max(arms, key=lambda arm: float(arm.quality[places].mean()))


def gap_closed(sample: Sample, oracle: Arm) -> Gap:
    """How far `auto` goes from the generalist to the oracle; it may go beyond, or back."""
    auto, generalist = sample.arms[AUTO].quality, sample.arms[GENERALIST].quality
    width = paired(oracle.quality, generalist, sample.groups, "gap")
    if width.outcome != "wins":
        return Gap(width.difference, None)
    taken = draws(len(auto), "gap", sample.groups)
    way, gone = taken @ (oracle.quality - generalist), taken @ (auto - generalist)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(way > 0, gone / way, np.nan)
    return Gap(width.difference, interval(share))
