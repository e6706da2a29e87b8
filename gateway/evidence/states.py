"""The specialists' states in one gateway, polled from the store.

Evidence belongs to a version: fingerprints of the model with its weights, and of what it is
compared with.

Rule: the store is the source of truth. A gateway that changes a state acts on it at once; the
others follow within `FOLLOW_SECONDS`. While the store cannot be read, the last known states hold.
The gateway that started last sets the version of a specialist: one that is shutting down neither
restores the old version nor adds evidence to the new one.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from deployments.spec import ModelSpec
from gateway.errors import StoreError
from gateway.evidence.metrics import EvidenceMetrics
from gateway.evidence.store import Store, StoreExecutor
from gateway.shadow_config import ShadowSection
from router.config import SelectionConfig
from router.selection.evidence import Pair
from router.selection.lifecycle import Cause, Event, State
from router.selection.moments import Interval
from router.selection.record import (
    Rules,
    SpecialistRecord,
    Transition,
    Version,
    apply_event,
    claims,
    compare,
    record_pair,
    register,
)

FOLLOW_SECONDS = 0.5
_log = logging.getLogger("gateway.evidence")

Action = Literal["pin", "release", "promote", "demote", "retire"]
_EVENTS: dict[Action, Event] = {
    "promote": Event.PROMOTE,
    "demote": Event.DEMOTE,
    "retire": Event.RETIRE,
}

_ANSWERS = {"model", "adapter", "domain", "engine", "engine_options", "system_prompt"}
"""The keys of a model that affect its answers or which requests it gets."""
_FIRST_NAMES = {"method": "by", "pairs_per_false_alarm": "late_pairs"}
"""Renamed keys keep their first names here, so that a rename does not drop evidence."""
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class DeclaredSpecialist:
    """A specialist as this gateway's configuration declares it."""

    version: Version
    initial_state: State


class SpecialistStates:
    """The states of one gateway process.

    Args:
        executor: runs calls to the store.
        declared: every specialist, by name.
        rules: the settings of the tests.
        wall_clock: Unix time in seconds.
        metrics: show states and transitions.
    """

    def __init__(
        self,
        executor: StoreExecutor,
        declared: Mapping[str, DeclaredSpecialist],
        rules: Rules,
        wall_clock: Callable[[], float],
        metrics: EvidenceMetrics,
    ) -> None:
        self._executor, self._declared, self.rules = executor, declared, rules
        self._wall_clock, self._metrics = wall_clock, metrics
        self._standings: dict[str, SpecialistRecord] = {}

    def register(self, store: Store) -> None:
        """Registers every specialist, before the first request.

        Raises:
            StoreError: the store cannot be used.
        """
        for name in self._declared:
            self._take(name, *store.change(name, partial(self._enrolled, name)))

    def active(self, model: str) -> bool:
        """Whether a specialist gets traffic."""
        return self.state(model) is State.ACTIVE

    def state(self, model: str) -> State:
        """The last known state of a specialist."""
        return self._standings[model].state

    def version(self, specialist: str) -> Version:
        """The current version of a specialist."""
        return self._declared[specialist].version

    async def follow(self) -> None:
        """Reads the states; logs a failure of the store and keeps the last known states."""
        try:
            standings = await self._executor.run(lambda store: store.standings())
        except StoreError as error:
            self._metrics.store_errors.inc()
            _log.warning(
                "the states could not be read; the last known ones stay in force",
                extra={"fields": {"detail": str(error)}},
            )
            return
        for name in self._declared.keys() & standings.keys():
            if standings[name] != self._standings[name]:
                self._take(name, standings[name], None)

    async def record(self, specialist: str, pair: Pair, version: Version) -> None:
        """Adds a pair to the evidence and acts on it; drops a pair about another version, and what
        a pair cost at other prices.

        Raises:
            StoreError: the store cannot be used.
        """

        def change(before: SpecialistRecord | None) -> tuple[SpecialistRecord, Transition | None]:
            if before is None:  # the store was emptied
                return self._enrolled(specialist, None)
            repriced = before.version.differs_in_prices_alone(version)
            if before.version != version and not repriced:
                return before, None
            counted = replace(pair, priced=not repriced)
            return record_pair(before, counted, self.rules, self._wall_clock())

        self._take(
            specialist, *await self._executor.run(lambda store: store.change(specialist, change))
        )

    async def order(self, specialist: str, action: Action, reason: str) -> SpecialistRecord:
        """Applies an operator's action; returns the new record.

        Raises:
            UnknownTransition: the current state does not allow it.
            StoreError: the store cannot be used.
        """

        def change(before: SpecialistRecord | None) -> tuple[SpecialistRecord, Transition | None]:
            standing = before or self._enrolled(specialist, None)[0]
            if action in _EVENTS:
                now = self._wall_clock()
                return apply_event(standing, _EVENTS[action], reason, self.rules, now)
            return replace(standing, pinned=action == "pin"), None

        standing, transition = await self._executor.run(
            lambda store: store.change(specialist, change)
        )
        fields = {"specialist": specialist, "action": action, "reason": reason}
        _log.info("an action of the operator", extra={"fields": fields})
        self._take(specialist, standing, transition)
        return standing

    def _enrolled(
        self, name: str, before: SpecialistRecord | None
    ) -> tuple[SpecialistRecord, Transition | None]:
        declared = self._declared[name]
        return register(before, declared.version, declared.initial_state, self._wall_clock())

    def _take(self, name: str, standing: SpecialistRecord, transition: Transition | None) -> None:
        self._standings[name] = standing
        comparison = compare(standing.evidence, self.rules)
        self._metrics.show_specialist(name, standing, claims(standing, self.rules), comparison)
        if transition is not None:
            self._metrics.count_transition(name, transition)
            level = logging.WARNING if transition.cause is Cause.EVIDENCE else logging.INFO
            fields = _fields_of(name, transition)
            _log.log(level, "a specialist changed its state", extra={"fields": fields})


def _fields_of(name: str, transition: Transition) -> dict[str, Any]:
    comparison = transition.comparison
    return {
        "specialist": name,
        "before": transition.before,
        "after": transition.after,
        "event": transition.event,
        "cause": transition.cause,
        "reason": transition.reason,
        "version": transition.version,
        "pairs": transition.pairs,
        "quality_difference": _bounds(comparison.quality if comparison else None),
        "latency_difference_seconds": _bounds(comparison.latency_seconds if comparison else None),
        "cost_difference": _bounds(comparison.cost if comparison else None),
        "net_worth": _bounds(comparison.net_worth if comparison else None),
    }


def _bounds(interval: Interval | None) -> list[float] | None:
    """Low, mean, high."""
    return None if interval is None else [interval.low, interval.mean, interval.high]


def version_of(
    specialist: ModelSpec, generalist: ModelSpec, shadow: ShadowSection, selection: SelectionConfig
) -> Version:
    """The version of a specialist and of everything else that its evidence depends on.

    A model that changes behind an endpoint keeps its version. To start new evidence, change its
    entry, such as its system prompt; else the test of its latest answers detects the change.
    Prices are part of the baseline where a point of quality has a worth: they decide, then.
    """
    grading = shadow.grading_of(specialist.name)
    judge = shadow.judge if grading.method == "judge" else None
    prices = [spec.price.model_dump_json(exclude_none=True) for spec in (specialist, generalist)]
    weighed = [] if selection.quality_point_worth is None else prices
    return Version(
        specialist=_digest(_model(specialist)),
        baseline=_digest(
            _model(generalist),
            _with_first_names(selection.model_dump_json(exclude_none=True)),
            _with_first_names(grading.model_dump_json(exclude={"specialist"})),
            "" if judge is None else judge.model_dump_json(include={"base_url", "model"}),
            *weighed,
        ),
        prices=_digest(*prices),
    )


def _model(spec: ModelSpec) -> str:
    return f"{spec.model_dump_json(include=_ANSWERS)} {_weights(spec)}"


def _weights(spec: ModelSpec) -> str:
    """The checksum of an adapter's weights, which may change under the same name."""
    if spec.adapter is None:
        return ""
    try:
        return load_adapter(spec.adapter).sha256
    except ModelError:  # the replica reports it; the name has to do here
        return ""


def _with_first_names(settings: str) -> str:
    for name, first in _FIRST_NAMES.items():
        settings = settings.replace(f'"{name}":', f'"{first}":')
    return settings


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]
