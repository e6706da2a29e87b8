"""Replays policies over recorded outcomes: figures with intervals, and reachable points.

All policies use the same bootstrap draws of whole clusters, so that differences are paired. Each
policy has its shuffle control, and all have the mix: the best choice of models that ignores the
prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.benchmarks.figures import Figure
from lab.benchmarks.routellm import apgr, calls_to_reach
from lab.replay.frontier import aiq, cost_of
from lab.replay.outcomes import Outcomes
from lab.replay.policies import DOMAIN_ORACLE, Expectation, Point, Sweep, sweep
from lab.statistics.bootstrap import group_numbers, interval, resampled
from lab.statistics.pareto import pareto_front

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

MIX = "best content-blind mix"

MEASURES = {
    "aiq": "AIQ",
    "above_mix": "above the mix",
    "above_shuffle": "above its shuffle",
    "gap": "of the domain oracle's lead",
    "match_cost": "cost at best quality",
    "apgr": "APGR",
    "cpt50": "CPT(50), %",
    "cpt80": "CPT(80), %",
}
"""The measures of a policy by their keys in a report, as tables show them.

`above_mix` is the difference to the AIQ of the mix; `above_shuffle` the mean lead in score over the
policy's shuffle, over the costs that the policy reaches; `gap` the share of the domain oracle's
lead over the mix; `match_cost` the cost of reaching the best single model's quality, as a share of
that model's cost; the last three are RouteLLM's, with the cheapest model as the weak one and the
best single model as the strong one.
"""


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """A model that answers every prompt: its mean cost and score."""

    name: str
    cost: float
    quality: Figure


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """A policy's figures: the defined ones of `MEASURES`, in that order.

    Attributes:
        name: the policy's name.
        oracle: whether it uses the outcomes that it is evaluated on.
        figures: by the measure's key.
        points: from the highest price to the lowest; empty for the mix, which has no prices.
    """

    name: str
    oracle: bool
    figures: dict[str, Figure]
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Replay:
    """The result of a replay.

    Attributes:
        prompts: their number.
        clusters: the number of their clusters.
        models: sorted by mean cost.
        best: the model with the best mean score.
        policies: the mix first, then in the given order.
        front: the Pareto front of models and policies, without oracles.
    """

    prompts: int
    clusters: int
    models: tuple[ModelFigures, ...]
    best: str
    policies: tuple[PolicyFigures, ...]
    front: tuple[Point, ...]


def replay(outcomes: Outcomes, expectations: Sequence[Expectation]) -> Replay:
    """Replays policies.

    Args:
        outcomes: every model's score and cost on every prompt.
        expectations: one per policy, with different names.
    """
    sweeps = [sweep(expectation, outcomes) for expectation in expectations]
    measured = _Measured(outcomes, sweeps)
    groups = group_numbers(outcomes.clusters)
    drawn = [measured.of(taken) for taken in resampled(len(groups), "replay", groups)]
    figures = {key: _figure(key[1], np.array([of[key] for of in drawn])) for key in drawn[0]}
    singles = _singles(outcomes)
    policies = tuple(
        PolicyFigures(
            of.expectation.name,
            of.expectation.oracle,
            _own(figures, of.expectation.name),
            of.points(outcomes),
        )
        for of in sweeps
    )
    reachable = [point for policy in policies if not policy.oracle for point in policy.points]
    return Replay(
        prompts=len(groups),
        clusters=len(set(outcomes.clusters)),
        models=tuple(
            ModelFigures(point.policy, point.cost, figures[point.policy, "quality"])
            for point in singles
        ),
        best=outcomes.models[outcomes.best],
        policies=(PolicyFigures(MIX, False, _own(figures, MIX)), *policies),
        front=tuple(pareto_front([*singles, *reachable], lambda of: (of.cost, of.quality))),
    )


def _singles(outcomes: Outcomes) -> list[Point]:
    """A policy that always picks one model: a single point, equal to its shuffle."""
    means = outcomes.costs.mean(axis=0).tolist(), outcomes.scores.mean(axis=0).tolist()
    shares = np.eye(len(outcomes.models)).tolist()
    return [
        Point(name, float("nan"), cost, quality, tuple(share), cost, quality)
        for name, cost, quality, share in zip(outcomes.models, *means, shares, strict=True)
    ]


_Values = dict[tuple[str, str], float]
"""A measure's value by the name of the policy or model and the key of the measure."""


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """Computes all measures of all policies on a draw of the prompts."""

    outcomes: Outcomes
    sweeps: Sequence[Sweep]

    def of(self, taken: Indices) -> _Values:
        outcomes = self.outcomes
        weights, rows = taken / taken.sum(), np.repeat(np.arange(len(taken)), taken)
        costs, qualities = weights @ outcomes.costs, weights @ outcomes.scores
        found: _Values = {
            (name, "quality"): value
            for name, value in zip(outcomes.models, qualities.tolist(), strict=True)
        }
        found |= self._areas(MIX, (costs, qualities), (costs, qualities))
        for of in self.sweeps:
            name = of.expectation.name
            found |= self._areas(
                name, (weights @ of.costs, weights @ of.scores), (costs, qualities)
            )
            found[name, "above_mix"] = found[name, "aiq"] - found[MIX, "aiq"]
            lead = weights @ of.scores - of.shares @ qualities
            found[name, "above_shuffle"] = _mean_over(weights @ of.costs, lead)
            found |= self._recovered(of.expectation, rows)
        return found | self._gaps(found)

    def _areas(
        self, name: str, points: tuple[Doubles, Doubles], models: tuple[Doubles, Doubles]
    ) -> _Values:
        costs, qualities = models
        best = self.outcomes.best
        reached = cost_of(float(qualities[best]), *points)
        return {
            (name, "aiq"): aiq(*points, costs.min(), costs.max()),
            (name, "match_cost"): reached / float(costs[best]),
        }

    def _recovered(self, expectation: Expectation, rows: Indices) -> _Values:
        if self.outcomes.gain is None:
            return {}
        gain = self.outcomes.gain[rows]
        name, best = expectation.name, self.outcomes.best
        if not gain.sum() > 0:  # a draw in which the best model is not better than the weak one
            return {(name, key): float("nan") for key in ("apgr", "cpt50", "cpt80")}
        score = (expectation.scores[:, best] - expectation.scores[:, 0])[rows]
        return {
            (name, "apgr"): apgr(score, gain),
            (name, "cpt50"): calls_to_reach(score, gain, 0.5),
            (name, "cpt80"): calls_to_reach(score, gain, 0.8),
        }

    def _gaps(self, found: _Values) -> _Values:
        ceiling, floor = found.get((DOMAIN_ORACLE, "aiq")), found[MIX, "aiq"]
        if ceiling is None:
            return {}
        lead = ceiling - floor
        names = [of.expectation.name for of in self.sweeps if not of.expectation.oracle]
        return {
            (name, "gap"): (found[name, "aiq"] - floor) / lead if lead > 0 else float("nan")
            for name in names
        }


def _mean_over(costs: Doubles, heights: Doubles) -> float:
    """The mean height over a range of costs; 0 if the range is empty."""
    width = float(costs[-1] - costs[0])
    return float(np.trapezoid(heights, costs)) / width if width > 0 else 0.0


def _figure(name: str, drawn: Doubles) -> Figure:
    found = interval(drawn)
    return Figure(name, found.value, None if np.isnan(found.low) else found)


def _own(figures: dict[tuple[str, str], Figure], name: str) -> dict[str, Figure]:
    return {key: figures[name, key] for key in MEASURES if (name, key) in figures}
