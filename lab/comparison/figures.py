"""The figures of a comparison as plain values, for reports, charts and files."""

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
"""The measured latencies: fields of `Arm`, with their titles."""


@dataclass(frozen=True)
class ArmFigures:
    """One arm's figures.

    Attributes:
        name: the arm's name.
        quality: the mean over the prompts.
        failed: requests without a complete answer, which count as wrong.
        costs: the cost of a request in currency units; None: unknown.
        latencies: by the keys of `LATENCIES`; None: unknown.
        curves: the same latencies at every second percentile, rising; empty if unknown.
        models: the number of answers by model; empty if unknown.
        tokens: generated tokens per answer; None: unknown.
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
    """One arm compared with another, on the same prompts.

    Attributes:
        arm, baseline: their names.
        quality: the arm's minus the baseline's.
        costs: the arm's relative to the baseline's: -0.3 is 30 % less; None: unknown.
        latencies: the arm's minus the baseline's, in seconds; None: unknown.
    """

    arm: str
    baseline: str
    quality: Paired
    costs: Mapping[CostKind, Interval | None]
    latencies: Mapping[str, Quantiles | None]


@dataclass(frozen=True)
class DomainFigures:
    """`auto` compared with the generalist on one domain's prompts.

    Attributes:
        domain: its name.
        quality: that of `auto` minus the generalist's.
        corrected_p: the p-value of the exact test, corrected by Holm over the domains.
        outcome: the result by interval and corrected test.
        arms: every arm's quality on these prompts.
        routes: the number of prompts by the model that `auto` chose; empty if unknown.
    """

    domain: str
    quality: Paired
    corrected_p: float
    outcome: PairOutcome
    arms: Mapping[str, float]
    routes: Mapping[str, int]


@dataclass(frozen=True)
class OracleGap:
    """The gap in quality between the generalist and the domain oracle.

    Attributes:
        width: the oracle's quality minus the generalist's, with its interval.
        closed: the share of the gap that `auto` closes, with its interval; None if the oracle is
            not significantly better than the generalist.
    """

    width: Interval
    closed: Interval | None


@dataclass(frozen=True)
class CapacityPoint:
    """The capacity cost of a request at one level of traffic, by arm."""

    requests_per_hour: float
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Example:
    """A prompt on which `auto` and the generalist differ in quality."""

    domain: str
    prompt: str
    answer: str
    auto: str
    auto_model: str | None
    generalist: str
    gain: float


@dataclass(frozen=True)
class SelectionFigures:
    """One specialist under selection.

    Attributes:
        specialist: its name.
        pairs: the compared answers.
        quality: the mean difference to the generalist, with selection's own interval, which holds
            at all times and is wider than the comparison's; None without pairs.
        expense: the same of what the two cost, in currency units; None: unknown.
        demoted_after: the number of pairs after which it lost its traffic; None: it kept it.
        why: the test that decided; None: none did.
    """

    specialist: str
    pairs: int
    quality: Interval | None
    expense: Interval | None
    demoted_after: int | None
    why: str | None


@dataclass(frozen=True)
class Figures:
    """All figures of a comparison.

    Attributes:
        rows, groups: the numbers of prompts and of independent groups.
        rephrased: the number of prompts that are worded differently for the generalist.
        judgements: the number of questions to the judge, and of its unreadable replies.
        currency: the currency of all costs.
        requests_per_hour: the traffic for the capacity cost; None: unknown.
        arms: in display order.
        pairs: every arm against the generalist, and `auto` against every control.
        domains: sorted by name; a single one if the prompts name none.
        gap: None without an oracle.
        needed_rows: prompts needed to show that `auto` and the generalist are equal, if they are.
        aa_test: the generalist against itself; None with too few prompts.
        front: the Pareto front of quality and cost, by kind of cost.
        capacity: the capacity cost over traffic; empty if unknown.
        break_even: requests per hour above which routing's capacity costs no more; None: unknown,
            or it costs more even at the highest traffic.
        examples: prompts gained and lost, largest differences first.
        selection: what live selection would do, by specialist.
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
    selection: tuple[SelectionFigures, ...] = ()

    def arm(self, name: str) -> ArmFigures | None:
        """The arm of this name; None if it was not measured."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def pair(self, arm: str, baseline: str) -> PairFigures | None:
        """The comparison of two arms; None if there is none."""
        return next(
            (pair for pair in self.pairs if (pair.arm, pair.baseline) == (arm, baseline)), None
        )
