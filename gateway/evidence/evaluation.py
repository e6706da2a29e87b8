"""The online evaluation in one gateway process: compares specialists with the generalist on live
requests."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from starlette.types import Scope
from typing_extensions import override

from deployments.capability import Capability
from deployments.protocol import Chunk, ModelRequest
from deployments.spec import ModelSpec
from gateway.answer_text import text_of
from gateway.authentication import caller_of
from gateway.dependencies import Dependencies
from gateway.dialects.parse import CompletionRequest
from gateway.errors import StoreError
from gateway.evidence.budget import Budget, GraderLimit
from gateway.evidence.feedback import AnsweredRequests, Feedback
from gateway.evidence.grading import Grading, Judge, Pairs, default_grader
from gateway.evidence.metrics import EvidenceMetrics
from gateway.evidence.shadow import GatewayState, Sampling, ServedAnswer, Shadow
from gateway.evidence.sqlite_store import opened
from gateway.evidence.states import (
    FOLLOW_SECONDS,
    DeclaredSpecialist,
    SpecialistStates,
    version_of,
)
from gateway.evidence.store import ModelAnswer, StoreExecutor
from gateway.guarantee_watch import GuaranteeWatch
from gateway.observer import RequestObserver
from gateway.record import Record
from gateway.shadow_config import GradingSection, ShadowSection
from gateway.tally import Costs
from router.selection.lifecycle import State
from router.selection.record import Rules
from router.types import Decision

_MINUTE = 60.0
_LEFT_OUT = {Capability.LOGPROBS}
"""Needs of requests that their comparisons do not have."""
_log = logging.getLogger("gateway.evidence")


@dataclass(frozen=True)
class OnlineEvaluation:
    """The online evaluation of one gateway process: the parts that requests, endpoints, startup and
    shutdown need.

    Attributes:
        gradings: how each specialist's pairs are graded.
    """

    section: ShadowSection
    executor: StoreExecutor
    states: SpecialistStates
    gradings: Mapping[str, Grading]
    budget: Budget
    answers: AnsweredRequests
    feedback: Feedback
    sampling: Sampling
    shadow: Shadow
    guarantee: GuaranteeWatch
    metrics: EvidenceMetrics

    async def keep_going(self) -> None:
        """Follows the states and stores answers until it is cancelled."""
        turns = 0
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await self.states.follow()
                self.guarantee.look()
                await self._maintain(minutely=turns % round(_MINUTE / FOLLOW_SECONDS) == 0)
            except Exception:  # noqa: BLE001 - must go on, or demotions go unnoticed
                _log.exception("following the states failed; will retry")
            turns += 1

    async def close(self) -> None:
        """Cancels running comparisons and stores pending answers."""
        await self.shadow.close()
        with suppress(StoreError):
            await self.answers.write()

    async def _maintain(self, *, minutely: bool) -> None:
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


class ShadowTap(RequestObserver):
    """Notes which model answered one request, so that feedback finds it, and keeps the answer's
    text if it will be compared.

    Args:
        evaluation: receives the answer.
        record: the request's record.
        scope: the request's, which says whose it is.
        timeout_seconds: the time limit of a shadow answer.
    """

    def __init__(
        self, evaluation: OnlineEvaluation, record: Record, scope: Scope, timeout_seconds: float
    ) -> None:
        self._evaluation, self._record, self._timeout = evaluation, record, timeout_seconds
        self._scope = scope
        self._request: CompletionRequest | None = None
        self._first = ""
        self._specialists: tuple[str, ...] = ()
        self._started = self._ended = 0.0
        self._pieces: list[str] = []

    @override
    def received(self, request: CompletionRequest) -> None:
        """Keeps the request, unless it asks for several answers, or for one that is no plain text:
        graders read texts in the form of their specialist, and tool calls are none."""
        if request.choices == 1 and request.needs.keys() <= _LEFT_OUT:
            self._request = request

    @override
    def decided(self, decision: Decision, started: float, ended: float) -> None:
        """Chooses the specialists to compare, before the request is answered."""
        self._first, self._started, self._ended = decision.candidates[0], ended, ended
        if self._request is not None:
            self._specialists = self._evaluation.sampling.picked(decision)

    @override
    def chunk(self, chunk: Chunk, time: float) -> None:
        if self._specialists:
            self._pieces.append(text_of(chunk.data))
            self._ended = time

    @override
    def delivered(self, costs: Costs) -> None:
        """Starts the comparison, unless another model answered than decided."""
        record, evaluation, caller = self._record, self._evaluation, caller_of(self._scope)
        evaluation.answers.add(record.request_id, record.model, caller)
        request = self._request
        if request is None or not self._specialists or record.model != self._first:
            return
        seconds, text = self._ended - self._started, "".join(self._pieces)
        answer = ModelAnswer(
            record.model,
            seconds,
            costs.list_price,
            text,
            record.usage.engine_seconds,
            costs.attributed,
        )
        asked = ModelRequest(
            request_id=record.request_id,
            model=record.model,
            operation=request.operation,
            body=request.shadow_body(),
            stream=True,
            clamp_max_tokens=True,
            deadline_seconds=self._timeout,
            max_wait_seconds=0.0,
        )
        served = ServedAnswer(
            record.request_id, caller, request.query, asked, answer, evaluation.answers.now()
        )
        evaluation.shadow.begin(served, self._specialists)


def build_online_evaluation(
    dependencies: Dependencies, gateway: GatewayState, closing: AsyncExitStack
) -> OnlineEvaluation | None:
    """Builds the online evaluation; None if `gateway.shadow` is not set. `closing` closes its
    store, after the evaluation.

    Raises:
        ConfigError: the store cannot be opened.
        StoreError: the store cannot be written.
    """
    config, wall_clock = dependencies.config, dependencies.wall_clock
    section = config.gateway.shadow
    if section is None:
        return None
    metrics = dependencies.metrics.once(EvidenceMetrics)
    store = opened(section.path)
    executor = StoreExecutor(store)
    closing.push_async_callback(asyncio.to_thread, executor.close)
    states = _states(dependencies, section, executor, metrics)
    states.register(store)
    specs = config.specialists
    gradings = {spec.name: _grading(section.grading_of(spec.name), spec) for spec in specs}
    judge, limit = _judge(dependencies, section), section.max_pairs_per_key_per_day
    share = GraderLimit(limit, wall_clock)
    pairs = Pairs(executor, states, gradings, judge, section.store_texts, share)
    budget = Budget(executor, section.max_tokens_per_day, section.max_cost_per_day, wall_clock)
    answers = AnsweredRequests(executor, wall_clock, section.feedback_hours * 3600)
    return OnlineEvaluation(
        section=section,
        executor=executor,
        states=states,
        gradings=gradings,
        budget=budget,
        answers=answers,
        feedback=Feedback(config, answers, pairs, metrics),
        sampling=_sampling(dependencies, section, states),
        shadow=Shadow(dependencies, section, pairs, budget, gateway, metrics),
        guarantee=GuaranteeWatch(dependencies.policy, states.active),
        metrics=metrics,
    )


def _sampling(
    dependencies: Dependencies, section: ShadowSection, states: SpecialistStates
) -> Sampling:
    ratios = section.sample_ratio, section.trial_sample_ratio
    return Sampling(dependencies.config, *ratios, states.state, dependencies.draw)


def _judge(dependencies: Dependencies, section: ShadowSection) -> Judge | None:
    if dependencies.judge is None or section.judge is None:
        return None
    return Judge(dependencies.judge, section.judge.timeout_seconds)


def _grading(settings: GradingSection, spec: ModelSpec) -> Grading:
    return Grading(settings, settings.grader or default_grader(spec))


def _states(
    dependencies: Dependencies,
    section: ShadowSection,
    executor: StoreExecutor,
    metrics: EvidenceMetrics,
) -> SpecialistStates:
    config = dependencies.config
    declared = {
        spec.name: DeclaredSpecialist(
            version_of(spec, config.generalist, section, config.router.selection),
            State(spec.initial_state),
        )
        for spec in config.specialists
    }
    rules = Rules(config.router.selection, max(len(declared), 1))
    return SpecialistStates(executor, declared, rules, dependencies.wall_clock, metrics)
