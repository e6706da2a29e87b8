"""From a sample to all figures. Pure: the same outcomes give the same figures every time.

The domain oracle gives each domain to whichever model answers its prompts best: the domain's
specialist, the generalist, or another specialist that was asked alone. It chooses by these very
prompts, which favours it, so the comparison with it errs against the router.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lab.comparison.costs import (
    COST_KINDS,
    CostKind,
    Fleet,
    capacity_cost,
    cost,
    relative_cost,
)
from lab.comparison.experiment import AUTO, GENERALIST, ORACLE, SHUFFLE
from lab.comparison.figures import (
    LATENCIES,
    ArmFigures,
    CapacityPoint,
    DomainFigures,
    Example,
    Figures,
    OracleGap,
    PairFigures,
)
from lab.comparison.prices import Prices
from lab.comparison.sample import Arm, Floats, Sample, combined
from lab.comparison.selection import selected
from lab.planning.break_even import lowest_rate
from lab.statistics.aa_test import aa_test
from lab.statistics.bootstrap import draws, interval
from lab.statistics.paired import compare_by_draws, compare_paired, smoothed_draws, smoothed_mean
from lab.statistics.pareto import pareto_front
from lab.statistics.quantiles import quantile_differences, quantiles
from lab.statistics.sample_size import needed_rows
from lab.statistics.significance import holm
from router.config import SelectionConfig

_NAME = "comparison"
"""The name that seeds the draws; all arms share them."""
_LOADS = np.logspace(-2, 3, 41)
"""Multiples of the measured traffic, from 0.01 to 1,000."""
_EXAMPLES = 6
_CURVE = np.linspace(0, 1, 51)


@dataclass(frozen=True)
class AnalysisSettings:
    """Settings that are fixed before the first request, and the prices.

    Attributes:
        margin: the non-inferiority margin: the quality loss that still counts as equal, in (0, 1].
        concurrency: concurrent requests.
        seed: the seed of all random draws.
        prices: of tokens and machines.
        requests_per_hour: the traffic for the capacity cost; None: the measured traffic.
        selection: how live selection would judge specialists by these answers.
    """

    margin: float
    concurrency: int
    seed: int
    prices: Prices
    requests_per_hour: float | None = None
    selection: SelectionConfig = field(default_factory=SelectionConfig)


def analyse(sample: Sample, terms: AnalysisSettings) -> Figures:
    """All figures of a sample that has the arms `auto` and `generalist`."""
    oracle = domain_oracle(sample)
    arms = {**sample.arms} if oracle is None else {**sample.arms, ORACLE: oracle}
    first = [name for name in (AUTO, GENERALIST, SHUFFLE, ORACLE) if name in arms]
    arms = {name: arms[name] for name in (*first, *sorted(arms.keys() - {*first}))}
    auto, generalist = arms[AUTO].quality, arms[GENERALIST].quality
    work = _Work(replace(sample, arms=arms), terms)
    shown = tuple(work.arm(arm) for arm in arms.values())
    return Figures(
        rows=len(sample.rows),
        groups=len(np.unique(sample.groups)),
        rephrased=sum(row.generalist_chat != row.chat for row in sample.rows),
        judgements=sample.judgements,
        currency=terms.prices.currency,
        requests_per_hour=work.load,
        arms=shown,
        pairs=work.pairs(),
        domains=_domains(work.sample),
        gap=None if oracle is None else gap_closed(sample, oracle),
        needed_rows=needed_rows(auto - generalist, sample.groups, terms.margin),
        aa_test=aa_test(generalist, sample.domains, sample.groups, terms.seed),
        front={kind: _front(shown, kind) for kind in COST_KINDS},
        capacity=work.capacity(),
        break_even=work.break_even(),
        selection=selected(sample, terms.selection),
        examples=_examples(sample),
    )


class _Work:
    """Computes figures of arms and pairs of arms from one set of draws."""

    def __init__(self, sample: Sample, terms: AnalysisSettings) -> None:
        self.sample, self._terms = sample, terms
        self._taken = draws(len(sample.rows), _NAME, sample.groups)
        self._smoothed = smoothed_draws(sample.groups, _NAME)
        self.load = terms.requests_per_hour or _measured_load(sample, terms.concurrency)

    def arm(self, arm: Arm) -> ArmFigures:
        """One arm's figures. The oracle is assembled from other arms' answers, so it has no
        latency."""
        fleet = self._fleet(arm.name, self.load)
        timed = () if arm.name == ORACLE else tuple(LATENCIES)
        known = arm.tokens[~np.isnan(arm.tokens)]
        return ArmFigures(
            name=arm.name,
            quality=smoothed_mean(arm.quality, self._smoothed, (0.0, 1.0)),
            failed=int(arm.failed.sum()),
            costs={kind: cost(arm, kind, fleet, self._taken) for kind in COST_KINDS},
            latencies={key: quantiles(getattr(arm, key), self._taken) for key in timed},
            curves={key: _curve(getattr(arm, key)) for key in timed},
            models=dict(Counter(model for model in arm.models if model is not None)),
            tokens=float(known.mean()) if len(known) else None,
        )

    def pairs(self) -> tuple[PairFigures, ...]:
        """Compares every arm with the generalist, and `auto` with every control."""
        arms = self.sample.arms
        pairs = [(name, GENERALIST) for name in arms if name != GENERALIST]
        pairs += [(AUTO, name) for name in (SHUFFLE, ORACLE) if name in arms]
        return tuple(self._pair(arms[first], arms[second]) for first, second in pairs)

    def _pair(self, first: Arm, second: Arm) -> PairFigures:
        timed = () if ORACLE in (first.name, second.name) else tuple(LATENCIES)
        sides = [(arm, self._fleet(arm.name, self.load)) for arm in (first, second)]
        return PairFigures(
            arm=first.name,
            baseline=second.name,
            quality=compare_by_draws(
                first.quality - second.quality, self.sample.groups, self._smoothed
            ),
            costs={
                kind: relative_cost(sides[0], sides[1], kind, self._taken) for kind in COST_KINDS
            },
            latencies={
                key: quantile_differences(getattr(first, key), getattr(second, key), self._taken)
                for key in timed
            },
        )

    def capacity(self) -> tuple[CapacityPoint, ...]:
        """The capacity cost of `auto` and the generalist over traffic; empty if unknown."""
        points = []
        for load in self._loads():
            auto, generalist = self._capacity(AUTO, load), self._capacity(GENERALIST, load)
            if auto is not None and generalist is not None:
                points.append(CapacityPoint(load, {AUTO: auto, GENERALIST: generalist}))
        return tuple(points)

    def break_even(self) -> float | None:
        """Requests per hour above which `auto` costs no more than the generalist; None if unknown,
        or if it costs more even at the highest traffic."""

        def more_expensive(load: float) -> bool:
            return (self._capacity(AUTO, load) or 0.0) > (self._capacity(GENERALIST, load) or 0.0)

        return lowest_rate(more_expensive, self._loads()) if self.capacity() else None

    def _loads(self) -> list[float]:
        return [] if self.load is None else (_LOADS * self.load).tolist()

    def _capacity(self, arm: str, load: float) -> float | None:
        return capacity_cost(self.sample.arms[arm], self._fleet(arm, load))

    def _fleet(self, arm: str, load: float | None) -> Fleet:
        """An arm of a single model needs only that model; the others need all models."""
        prices = self._terms.prices
        known = {**prices.models, **(prices.baseline_models if arm == GENERALIST else {})}
        if arm in (AUTO, SHUFFLE, ORACLE):
            return Fleet(known, load)
        used = {model for model in self.sample.arms[arm].models if model is not None}
        return Fleet({name: price for name, price in known.items() if name in used}, load)


def _curve(values: Floats) -> tuple[float, ...]:
    known = values[~np.isnan(values)]
    return tuple(np.quantile(known, _CURVE).tolist()) if len(known) else ()


def _measured_load(sample: Sample, concurrency: int) -> float | None:
    """Requests per hour of the measured number of clients, each waiting for its answer."""
    seconds = sample.arms[AUTO].seconds
    if np.isnan(seconds).all() or not np.nanmean(seconds):
        return None
    return float(concurrency * 3600 / np.nanmean(seconds))


def _domains(sample: Sample) -> tuple[DomainFigures, ...]:
    names = sorted(set(sample.domains))
    places = [sample.of_domain(name) for name in names]
    auto, generalist = sample.arms[AUTO], sample.arms[GENERALIST]
    found = [
        compare_paired(auto.quality[of], generalist.quality[of], sample.groups[of], name)
        for name, of in zip(names, places, strict=True)
    ]
    corrected = holm([of.p_value for of in found])
    return tuple(
        DomainFigures(
            domain=name,
            quality=pair,
            corrected_p=p_value,
            outcome=pair.outcome_at(p_value),
            arms={arm.name: float(arm.quality[of].mean()) for arm in sample.arms.values()},
            routes=_routes(auto, of),
        )
        for name, of, pair, p_value in zip(names, places, found, corrected, strict=True)
    )


def _routes(auto: Arm, places: NDArray[np.int64]) -> Mapping[str, int]:
    models = (auto.models[place] for place in places.tolist())
    return dict(Counter(model for model in models if model is not None).most_common())


def _front(arms: Sequence[ArmFigures], kind: CostKind) -> tuple[str, ...]:
    points = {}
    for arm in arms:
        found = arm.costs[kind]
        if found is not None and arm.name != ORACLE:  # no real router can be the oracle
            points[arm.name] = (found.value, arm.quality.value)
    return tuple(pareto_front(points, points.__getitem__))


def _examples(sample: Sample) -> tuple[Example, ...]:
    """The prompts with the largest differences, half gains and half losses if there are enough."""
    auto, generalist = sample.arms[AUTO], sample.arms[GENERALIST]
    gains = auto.quality - generalist.quality
    order = np.argsort(-gains, kind="stable").tolist()
    won = [place for place in order[:_EXAMPLES] if gains[place] > 0]
    lost = [place for place in order[::-1][:_EXAMPLES] if gains[place] < 0]
    return tuple(
        Example(
            domain=sample.domains[place],
            prompt=sample.rows[place].chat[-1].content,
            answer=sample.rows[place].reference.answer,
            auto=auto.texts[place],
            auto_model=auto.models[place],
            generalist=generalist.texts[place],
            gain=float(gains[place]),
        )
        for place in (*won, *lost)
    )


def domain_oracle(sample: Sample) -> Arm | None:
    """The oracle as an arm; None if only the generalist and the router were asked."""
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
    """The arm with the best quality on these rows; the first of equals."""
    return max(arms, key=lambda arm: float(arm.quality[places].mean()))


def gap_closed(sample: Sample, oracle: Arm) -> OracleGap:
    """The share of the gap between generalist and oracle that `auto` closes; may be above 1 or
    negative."""
    auto, generalist = sample.arms[AUTO].quality, sample.arms[GENERALIST].quality
    width = compare_paired(oracle.quality, generalist, sample.groups, "gap")
    if width.outcome != "wins":
        return OracleGap(width.difference, None)
    taken = draws(len(auto), "gap", sample.groups)
    way, gone = taken @ (oracle.quality - generalist), taken @ (auto - generalist)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(way > 0, gone / way, np.nan)
    return OracleGap(width.difference, interval(share))
