"""The figures of a comparison: values alone, ready to be printed, drawn and written."""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.comparison.costs import CostKind
from lab.statistics.aa_test import AATest
from lab.statistics.interval import Interval
from lab.statistics.paired import Paired, PairOutcome
from lab.statistics.quantiles import Quantiles

LATENCIES = {
    "first_seconds": "time to first token",
    "per_token_seconds": "per token after the first",
    "longest_gap_seconds": "longest pause between tokens",
    "seconds": "end to end",
}
"""What is timed: the names of arrays of `Arm`, and what they are called."""


@dataclass(frozen=True)
class ArmFigures:
    """One arm by itself.

    Attributes:
        name: of the arm.
        quality: mean over the prompts.
        failed: requests without a whole answer, which count as wrong.
        costs: of a request, in currency units; None: not known.
        latencies: by the keys of `LATENCIES`; None: not known, or nothing was asked.
        curves: the same latencies' values at every second percent, from the least to the most;
            empty where none is known.
        models: answers by who gave them; empty where that is not known.
        tokens: generated per answer; None: not known.
    """

    name: str
    quality: Interval
    failed: int
    costs: Mapping[CostKind, Interval | None]
    latencies: Mapping[str, Quantiles | None]
    curves: Mapping[str, tuple[float, ...]]
    models: Mapping[str, int]
    tokens: float | None


@dataclass(frozen=True)
class PairFigures:
    """One arm beside another, on the same prompts.

    Attributes:
        arm, baseline: which.
        quality: of the arm less the baseline's.
        costs: of the arm beside the baseline's: -0.3 is 30 % less; None: not known.
        latencies: of the arm less the baseline's, in seconds; None: not known.
    """

    arm: str
    baseline: str
    quality: Paired
    costs: Mapping[CostKind, Interval | None]
    latencies: Mapping[str, Quantiles | None]


@dataclass(frozen=True)
class DomainFigures:
    """`auto` beside the generalist on one domain's prompts.

    Attributes:
        domain: which.
        quality: of `auto` less the generalist's.
        corrected_p: of its exact test, corrected by Holm over the domains.
        outcome: by interval and corrected test.
        arms: the quality of every arm on these prompts.
        routes: where `auto` sent them; empty where that is not known.
    """

    domain: str
    quality: Paired
    corrected_p: float
    outcome: PairOutcome
    arms: Mapping[str, float]
    routes: Mapping[str, int]


@dataclass(frozen=True)
class OracleGap:
    """The way from the generalist to the domain oracle.

    Attributes:
        width: quality of the oracle less the generalist's, with its interval.
        closed: the share of it that `auto` goes, with its interval; None where the oracle is not
            shown to be better than the generalist: there is no way to go.
    """

    width: Interval
    closed: Interval | None


@dataclass(frozen=True)
class CapacityPoint:
    """The capacity cost of a request at some traffic, by arm."""

    requests_per_hour: float
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Example:
    """A prompt that `auto` and the generalist did not answer alike."""

    domain: str
    prompt: str
    answer: str
    auto: str
    auto_model: str | None
    generalist: str
    gain: float


@dataclass(frozen=True)
class Figures:
    """All of it.

    Attributes:
        rows, groups: prompts, and how many of them are independent.
        rephrased: prompts that the generalist was asked in other words than the specialists.
        judgements: questions to the judge, and how many of its replies cannot be read.
        currency: of all costs.
        requests_per_hour: the traffic of the capacity cost; None: not known.
        arms: in the order in which they are shown.
        pairs: every arm beside the generalist, and `auto` beside every control.
        domains: by name; one alone where the prompts name none.
        gap: None where there is no oracle.
        needed_rows: prompts that would tell, were `auto` and the generalist alike.
        aa_test: the generalist against itself; None with too few prompts.
        front: arms that no other beats in quality and cost at once, by kind of cost.
        capacity: over traffic; empty where it is not known.
        break_even: requests per hour from which on routing's capacity costs no more; None: not
            known, or it does at the highest traffic too.
        examples: gains and losses, the largest first.
    """

    rows: int
    groups: int
    rephrased: int
    judgements: tuple[int, int]
    currency: str
    requests_per_hour: float | None
    arms: tuple[ArmFigures, ...]
    pairs: tuple[PairFigures, ...]
    domains: tuple[DomainFigures, ...]
    gap: OracleGap | None
    needed_rows: int
    aa_test: AATest | None
    front: Mapping[CostKind, tuple[str, ...]]
    capacity: tuple[CapacityPoint, ...]
    break_even: float | None
    examples: tuple[Example, ...]

    def arm(self, name: str) -> ArmFigures | None:
        """An arm; None where it was not asked."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def pair(self, arm: str, baseline: str) -> PairFigures | None:
        """One arm beside another; None where they were not compared."""
        return next(
            (pair for pair in self.pairs if (pair.arm, pair.baseline) == (arm, baseline)), None
        )
