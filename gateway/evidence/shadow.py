"""Shadow answers: for a sample of the requests, the other model answers too, in the background, for
comparison only.

A draw that no client can foresee picks the requests. Rule: the user never waits. A comparison
starts after the user's answer ended, a few at a time; if the gateway is busy, the budget is spent
or a model is down, it is skipped and counted.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

from deployments.protocol import ModelRequest, Overloaded, Unavailable, Usage
from gateway.answer_text import text_of
from gateway.config import NicheConfig
from gateway.dependencies import Dependencies
from gateway.errors import StoreError
from gateway.evidence.budget import Budget
from gateway.evidence.grading import JUDGE, Outcome, Pairs
from gateway.evidence.metrics import EvidenceMetrics
from gateway.evidence.store import AnswerPair, ModelAnswer
from gateway.shadow_config import ShadowSection
from gateway.tally import Tally, attributed_cost, characters
from router.selection.lifecycle import State
from router.types import Decision, Query, Reason

_log = logging.getLogger("gateway.evidence")

Result = Outcome | Literal["busy", "budget", "unavailable", "repeated", "failed"]
"""How a comparison ended; `repeated`: the request's id was compared before."""

_SENT_FOR_ITS_DOMAIN = frozenset({Reason.ROUTED, Reason.NO_ACTIVE_SPECIALIST})
_ON_TRIAL = frozenset({State.SHADOW, State.PROBATION})


@dataclass(frozen=True)
class Sampling:
    """Picks specialists to compare on a request.

    Attributes:
        config: the specialists.
        sample_ratio: the sampled fraction of an active specialist's requests.
        trial_sample_ratio: the sampled fraction of a domain's requests, for specialists in
            shadow or on probation.
        state: the state of a specialist.
        draw: an even number in [0, 1), which nobody can foresee.
    """

    config: NicheConfig
    sample_ratio: float
    trial_sample_ratio: float
    state: Callable[[str], State]
    draw: Callable[[], float]

    def picked(self, decision: Decision) -> tuple[str, ...]:
        """The specialists to compare with the generalist on a request.

        Only requests that the classifier is sure about are compared.
        """
        if decision.reason not in _SENT_FOR_ITS_DOMAIN:
            return ()
        return tuple(
            name
            for name in self.config.models_of(decision.domain)
            if self.draw() < self._ratio_of(name, decision)
        )

    def _ratio_of(self, specialist: str, decision: Decision) -> float:
        if specialist == decision.candidates[0]:
            return self.sample_ratio
        return self.trial_sample_ratio if self.state(specialist) in _ON_TRIAL else 0.0


@dataclass(frozen=True, slots=True)
class ServedAnswer:
    """An answer that was sent to a client.

    Attributes:
        request_id: the request's id.
        caller: whose request it was.
        query: the client's messages or text.
        asked: the request to a model, for one answer.
        answer: the answer, with its text.
        time: when it ended, in Unix seconds.
    """

    request_id: str
    caller: str = field(repr=False)
    query: Query
    asked: ModelRequest
    answer: ModelAnswer
    time: float


@dataclass(frozen=True)
class GatewayState:
    """The gateway's current load and health.

    Attributes:
        in_flight: the number of requests in flight.
        down: whether a model is known to be down.
    """

    in_flight: Callable[[], int]
    down: Callable[[str], bool]


class Shadow:
    """The comparisons of one gateway process.

    Args:
        dependencies: the gateway's.
        section: the configuration's `gateway.shadow`.
        pairs: stores and grades the answers.
        budget: limits the comparisons.
        gateway: says when there is no room for a comparison.
        metrics: count comparisons, tokens and cost.
    """

    def __init__(
        self,
        dependencies: Dependencies,
        section: ShadowSection,
        pairs: Pairs,
        budget: Budget,
        gateway: GatewayState,
        metrics: EvidenceMetrics,
    ) -> None:
        config = dependencies.config
        self._backends, self._clock = dependencies.backends, dependencies.clock
        self._generalist = config.generalist.name
        self._timeout_seconds = config.gateway.request_timeout_seconds
        self._prices = {spec.name: spec.price for spec in config.models}
        if section.judge is not None:
            self._prices[JUDGE] = section.judge.price
        self._section, self._gateway = section, gateway
        self._pairs, self._budget, self._metrics = pairs, budget, metrics
        self._usage_faults = dependencies.metrics.usage_faults
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, served: ServedAnswer, specialists: tuple[str, ...]) -> None:
        """Starts a comparison of specialists with the generalist, in the background; returns at
        once."""
        if len(self._running) >= self._section.max_concurrent or self._busy():
            self._count(specialists, "busy")
            return
        task = asyncio.create_task(self._compare(served, specialists))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Cancels the running comparisons."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _compare(self, served: ServedAnswer, specialists: tuple[str, ...]) -> None:
        """Asks one model at a time, to leave capacity for users.

        All are claimed before any is asked: else feedback that settles the first pair is gone when
        the next one is made.
        """
        try:
            claimed = await self._pairs.claim(served.request_id, specialists, served.time)
        except StoreError as error:
            self._report(served, specialists, error)
            return
        self._count(tuple(name for name in specialists if name not in claimed), "repeated")
        answers = {served.answer.model: served.answer}
        for name in claimed:
            try:
                result = await self._released(served, name, answers)
            except Overloaded:  # users come first
                self._count((name,), "busy")
            except Exception as error:  # noqa: BLE001 - a background task: nothing else reports it
                self._report(served, (name,), error)
            else:
                self._count((name,), result)

    async def _released(
        self, served: ServedAnswer, specialist: str, answers: dict[str, ModelAnswer]
    ) -> Result:
        """Compares a claimed specialist, and says that it ended, whatever came of it."""
        try:
            return await self._compared(served, specialist, answers)
        finally:
            await self._pairs.release(served.request_id, specialist)

    async def _compared(
        self, served: ServedAnswer, specialist: str, answers: dict[str, ModelAnswer]
    ) -> Result:
        for model in {specialist, self._generalist} - answers.keys():
            refusal = await self._refusal(model)
            if refusal is not None:
                return refusal
            answers[model] = await self._ask(model, served)
        compared = AnswerPair(
            request_id=served.request_id,
            version=self._pairs.states.version(specialist),
            time=served.time,
            specialist=answers[specialist],
            generalist=answers[self._generalist],
            caller=served.caller,
        )
        verdict = await self._pairs.judged(compared, served.request_id, served.query)
        if verdict is None:
            return await self._pairs.add(compared, None)
        await self._spend(JUDGE, verdict.usage)
        if verdict.error is not None:
            raise verdict.error
        if verdict.scores is None:
            raise Unavailable(JUDGE, "its replies have no verdict")
        return await self._pairs.add(compared, verdict.scores)

    async def _refusal(self, model: str) -> Result | None:
        """Why the comparison must not go on now; None: it may."""
        if self._busy():
            return "busy"
        if self._gateway.down(model):
            return "unavailable"
        return "budget" if self._budget.is_spent(await self._budget.today()) else None

    async def _ask(self, model: str, served: ServedAnswer) -> ModelAnswer:
        request = replace(served.asked, model=model, request_id=f"{served.request_id}-shadow")
        started, text, complete = self._clock(), "", False
        tally = Tally(lambda: characters(served.query))
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                aclosing(self._backends[model].stream(request)) as chunks,
            ):
                async for chunk in chunks:
                    text += text_of(chunk.data) if chunk.data else ""
                    complete = chunk.usage is not None
                    tally.add(chunk)
        finally:
            # Failed answers count too, so a model that always fails cannot exceed the budget.
            usage = tally.usage
            seconds, cost = self._clock() - started, await self._spend(model, usage)
        if not complete:
            raise Unavailable(model, "its answer was incomplete")
        attributed = attributed_cost(usage, self._prices[model])
        return ModelAnswer(model, seconds, cost, text, usage.engine_seconds, attributed)

    async def _spend(self, model: str, usage: Usage) -> float:
        """Counts an answer's usage; returns its list price."""
        price, cached = self._prices[model], usage.cached_tokens
        cost = price.of(usage.prompt_tokens, usage.completion_tokens, cached)
        tokens = usage.prompt_tokens + usage.completion_tokens
        self._metrics.tokens.labels(model).inc(tokens)
        self._metrics.cost.labels(model).inc(cost)
        for fault in usage.faults:
            self._usage_faults.labels(model, fault).inc()
        await self._budget.spend(tokens, cost)
        return cost

    def _busy(self) -> bool:
        return self._gateway.in_flight() > self._section.max_requests_in_flight

    def _report(self, served: ServedAnswer, specialists: tuple[str, ...], error: Exception) -> None:
        for name in specialists:
            fields = {"request_id": served.request_id, "specialist": name, "detail": repr(error)}
            _log.warning("a comparison failed", extra={"fields": fields})
        self._count(specialists, "failed")

    def _count(self, specialists: tuple[str, ...], result: Result) -> None:
        for name in specialists:
            self._metrics.comparisons.labels(name, result).inc()
