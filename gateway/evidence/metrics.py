"""Metrics of the online evaluation, in base units; labels are configured names or closed sets.

A gauge has the same value in all gateway processes; the newest value of a live one counts.
"""

import math
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from router.selection.lifecycle import State
from router.selection.moments import Interval
from router.selection.record import Claim, Comparison, SpecialistRecord, Transition

_SCORES = (0.0, 0.25, 0.5, 0.75, 1.0)
_UNKNOWN = Interval(math.nan, math.nan, math.nan)


class EvidenceMetrics:
    """The metrics, on the registry of the gateway's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.comparisons = Counter(
            "niche_shadow_comparisons",
            "Requests sampled for comparison, by result",
            ("specialist", "outcome"),
            registry=registry,
        )
        self.tokens = Counter(
            "niche_shadow_tokens",
            "Tokens used by shadow answers and by the judge",
            ("model",),
            registry=registry,
        )
        self.cost = Counter(
            "niche_shadow_cost_currency",
            "Cost of shadow answers and of the judge by list price, in currency units",
            ("model",),
            registry=registry,
        )
        self.feedback = Histogram(
            "niche_feedback_score",
            "First scores that answers were given, from 0 to 1",
            ("model",),
            buckets=_SCORES,
            registry=registry,
        )
        self.transitions = Counter(
            "niche_specialist_transitions",
            "State changes of specialists",
            ("specialist", "before", "after", "cause"),
            registry=registry,
        )
        self.store_errors = Counter(
            "niche_evidence_store_errors",
            "Failed accesses to the evidence store; requests are answered all the same",
            registry=registry,
        )
        self._build_gauges()

    def _build_gauges(self) -> None:
        self.state = self._gauge(
            "niche_specialist_state",
            "1 for the current state, 0 for the others",
            "specialist",
            "state",
        )
        self.pinned = self._gauge(
            "niche_specialist_pinned", "1 if evidence may not change its state", "specialist"
        )
        self.pairs = self._gauge(
            "niche_evidence_pairs", "Graded pairs of answers in the current state", "specialist"
        )
        self.e_value = self._gauge(
            "niche_evidence_log_e_value",
            "Natural logarithm of the e-value of a claim",
            "specialist",
            "claim",
        )
        self.threshold = self._gauge(
            "niche_evidence_log_threshold",
            "Natural logarithm of the e-value at which a claim is accepted",
            "specialist",
            "claim",
        )
        self.budget = self._gauge(
            "niche_shadow_budget_used_ratio",
            "Used part of today's limit (UTC), updated once a minute",
            "limit",
        )
        self._build_differences()

    def _build_differences(self) -> None:
        self.quality = self._gauge(
            "niche_evidence_quality_difference_ratio",
            "Quality, specialist minus generalist: mean and confidence bounds",
            "specialist",
            "bound",
        )
        self.latency = self._gauge(
            "niche_evidence_latency_difference_seconds",
            "Latency in seconds, specialist minus generalist: mean and confidence bounds",
            "specialist",
            "bound",
        )
        self.cost_difference = self._gauge(
            "niche_evidence_cost_difference_currency",
            "Cost per request in currency units, specialist minus generalist: mean and bounds",
            "specialist",
            "bound",
        )

    def show_specialist(
        self,
        specialist: str,
        standing: SpecialistRecord,
        claims: Sequence[Claim],
        comparison: Comparison | None,
    ) -> None:
        """Sets the gauges of a specialist's state and evidence."""
        for state in State:
            self.state.labels(specialist, state).set(state is standing.state)
        self.pinned.labels(specialist).set(standing.pinned)
        self.pairs.labels(specialist).set(standing.evidence.pairs)
        for claim in claims:
            self.e_value.labels(specialist, claim.event).set(claim.log_e_value)
            self.threshold.labels(specialist, claim.event).set(claim.log_threshold)
        shown = comparison or Comparison(_UNKNOWN, None, None)
        self._bounds(self.quality, specialist, shown.quality)
        self._bounds(self.latency, specialist, shown.latency_seconds)
        self._bounds(self.cost_difference, specialist, shown.cost)

    def count_transition(self, specialist: str, transition: Transition) -> None:
        """Counts a transition."""
        before = transition.before or "none"
        labels = (specialist, before, transition.after, transition.cause)
        self.transitions.labels(*labels).inc()

    @staticmethod
    def _bounds(gauge: Gauge, specialist: str, interval: Interval | None) -> None:
        # NaN if there is no interval: the value of an earlier state must not stay.
        shown = interval or _UNKNOWN
        gauge.labels(specialist, "mean").set(shown.mean)
        gauge.labels(specialist, "low").set(shown.low)
        gauge.labels(specialist, "high").set(shown.high)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(
            name, text, labels, registry=self._registry, multiprocess_mode="livemostrecent"
        )
