"""The live comparison of one gateway process, put together."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from deployments.engine import Engine
from deployments.protocol import Backend, Prompt
from deployments.spec import ModelSpec
from gateway.config import GradingSection, NicheConfig, ShadowSection
from gateway.errors import StoreError
from gateway.evidence.answers import Answers
from gateway.evidence.budget import Budget
from gateway.evidence.clerk import Clerk
from gateway.evidence.feedback import Feedback
from gateway.evidence.grading import Grading, default_grader
from gateway.evidence.judge import Judge
from gateway.evidence.metrics import LiveMetrics
from gateway.evidence.pairs import Pairs
from gateway.evidence.sampling import Sampling
from gateway.evidence.selection import FOLLOW_SECONDS, Declared, Selection
from gateway.evidence.shadow import JUDGE, Cast, Limits, Shadow, Shown
from gateway.evidence.sqlite_store import checked
from gateway.evidence.store import Given
from gateway.evidence.version import version_of
from router.selection.lifecycle import State
from router.selection.record import Rules
from router.types import Decision

_MINUTE = 60.0
_log = logging.getLogger("gateway.evidence")


@dataclass(frozen=True)
class Surroundings:
    """The gateway around the comparison.

    Attributes:
        judge: the engine of `gateway.shadow.judge`, not started; None where there is none.
        registry: of the gateway's metrics.
        multiprocess_dir: where all processes keep their metrics, if there are several.
        clock: monotonic seconds.
        wall_clock: Unix seconds.
        in_flight: how many requests are being answered.
        down: whether a model is known to be unable to answer.
    """

    config: NicheConfig
    backends: Mapping[str, Backend]
    judge: Engine | None
    registry: CollectorRegistry
    multiprocess_dir: str | None
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    in_flight: Callable[[], int]
    down: Callable[[str], bool]


@dataclass(frozen=True)
class Live:
    """The parts that requests, endpoints and the gateway's life touch.

    Attributes:
        gradings: how each specialist's pairs are graded.
        engine: the judge's.
    """

    section: ShadowSection
    clerk: Clerk
    selection: Selection
    gradings: Mapping[str, Grading]
    budget: Budget
    answers: Answers
    feedback: Feedback
    sampling: Sampling
    shadow: Shadow
    metrics: LiveMetrics
    engine: Engine | None

    def picked(self, request_id: str, decision: Decision) -> tuple[str, ...]:
        """The specialists to compare on a request; decides before it is answered."""
        return self.sampling.picked(request_id, decision)

    def answered(self, request_id: str, model: str) -> None:
        """Takes note of an answer, for feedback; returns at once."""
        self.answers.add(request_id, model)

    def compare(self, prompt: Prompt, given: Given, specialists: tuple[str, ...]) -> None:
        """Begins a comparison, if there is room for one; returns at once."""
        now = self.answers.now()
        self.shadow.begin(Shown(prompt.request_id, prompt, given, now), specialists)

    async def keep_going(self) -> None:
        """Follows the states and writes down answers, for ever; for a task that is cancelled."""
        if self.engine is not None:
            await self.engine.start()
        turns = 0
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await self.selection.follow()
                await self._keep_house(minutely=turns % round(_MINUTE / FOLLOW_SECONDS) == 0)
            except Exception:  # noqa: BLE001 - who stops following never learns of a demotion
                _log.exception("following the states failed, and goes on")
            turns += 1

    async def close(self) -> None:
        """Leaves what is running, and writes down what is not."""
        await self.shadow.close()
        with suppress(StoreError):
            await self.answers.write()
        if self.engine is not None:
            await self.engine.stop()
        self.clerk.close()

    async def _keep_house(self, *, minutely: bool) -> None:
        try:
            await self.answers.write()
            if minutely:
                await self.answers.forget()
                used = self.budget.used_ratios(await self.budget.today())
                for limit, ratio in used.items():
                    self.metrics.budget.labels(limit).set(ratio)
        except StoreError as error:
            self.metrics.store_errors.inc()
            _log.warning("the store cannot be used", extra={"fields": {"detail": str(error)}})


def build_live(around: Surroundings) -> Live | None:
    """The live comparison; None where `gateway.shadow` is not set.

    Raises:
        ConfigError: the store cannot be opened.
        StoreError: it cannot be written.
    """
    section = around.config.gateway.shadow
    if section is None:
        return None
    metrics = LiveMetrics(around.registry)
    store = checked(section.path)
    clerk = Clerk(store)
    selection = _selection(around, section, clerk, metrics)
    selection.enrol(store)
    gradings = {
        spec.name: _grading(section.grading_of(spec.name), spec)
        for spec in around.config.specialists
    }
    judge = None
    if around.judge is not None and section.judge is not None:
        judge = Judge(around.judge, section.judge.timeout_seconds)
    pairs = Pairs(clerk, selection, gradings, judge, section.store_texts)
    budget = Budget(clerk, section.tokens_per_day, section.cost_per_day, around.wall_clock)
    answers = Answers(clerk, around.wall_clock, section.feedback_hours * 3600)
    return Live(
        section=section,
        clerk=clerk,
        selection=selection,
        gradings=gradings,
        budget=budget,
        answers=answers,
        feedback=Feedback(around.config, answers, pairs, metrics),
        sampling=Sampling(around.config, section.share, section.trial_share, selection.state),
        shadow=_shadow(around, section, pairs, budget, metrics),
        metrics=metrics,
        engine=around.judge,
    )


def _grading(settings: GradingSection, spec: ModelSpec) -> Grading:
    return Grading(settings, settings.grader or default_grader(spec))


def _selection(
    around: Surroundings, section: ShadowSection, clerk: Clerk, metrics: LiveMetrics
) -> Selection:
    config = around.config
    declared = {
        spec.name: Declared(
            version_of(spec, config.generalist, section, config.router.selection),
            State(spec.begins),
        )
        for spec in config.specialists
    }
    rules = Rules(config.router.selection, max(len(declared), 1))
    return Selection(clerk, declared, rules, around.wall_clock, metrics)


def _shadow(
    around: Surroundings,
    section: ShadowSection,
    pairs: Pairs,
    budget: Budget,
    metrics: LiveMetrics,
) -> Shadow:
    prices = {spec.name: spec.price for spec in around.config.models}
    if section.judge is not None:
        prices[JUDGE] = section.judge.price
    limits = Limits(
        max_concurrent=section.max_concurrent,
        busy_requests=section.busy_requests,
        timeout_seconds=around.config.gateway.request_timeout_seconds,
        in_flight=around.in_flight,
        down=around.down,
    )
    cast = Cast(around.backends, prices, around.config.generalist.name)
    return Shadow(cast, pairs, budget, limits, metrics, around.clock)
