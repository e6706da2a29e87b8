"""Answers that nobody sees: of some requests the other model's, for comparison, in the background.

Rule: the user never waits. A comparison begins when the user's answer has ended, a few at a time;
while the gateway is busy, the budget is spent or a model is down, it is left out and counted.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from deployments.protocol import Backend, Prompt, Unavailable, Usage
from deployments.spec import Price
from gateway.evidence.budget import Budget
from gateway.evidence.metrics import LiveMetrics
from gateway.evidence.pairs import Outcome, Pairs
from gateway.evidence.store import Compared, Given

_log = logging.getLogger("gateway.evidence")

JUDGE = "shadow/judge"
"""The label of the judge's tokens and cost: no model can have this name."""

Result = Outcome | Literal["busy", "budget", "unavailable", "repeated", "failed"]
"""How a comparison ended; `repeated`: the request's id was compared before."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer that a user got.

    Attributes:
        request_id: of the response.
        prompt: what was asked.
        given: the answer, with its text.
        time: Unix seconds.
    """

    request_id: str
    prompt: Prompt
    given: Given
    time: float


@dataclass(frozen=True)
class Limits:
    """When a comparison is left out.

    Attributes:
        max_concurrent: comparisons at once.
        busy_requests: requests at once beyond which none is begun.
        timeout_seconds: for one answer.
        in_flight: how many requests are being answered.
        down: whether a model is known to be unable to answer.
    """

    max_concurrent: int
    busy_requests: int
    timeout_seconds: float
    in_flight: Callable[[], int]
    down: Callable[[str], bool]


@dataclass(frozen=True)
class Cast:
    """Who may be asked, at what price (the judge's under `JUDGE`), and who is the generalist."""

    backends: Mapping[str, Backend]
    prices: Mapping[str, Price]
    generalist: str


class Shadow:
    """The comparisons of one gateway process."""

    def __init__(
        self,
        cast: Cast,
        pairs: Pairs,
        budget: Budget,
        limits: Limits,
        metrics: LiveMetrics,
        clock: Callable[[], float],
    ) -> None:
        self._cast, self._pairs, self._budget = cast, pairs, budget
        self._limits, self._metrics, self._clock = limits, metrics, clock
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, shown: Shown, specialists: tuple[str, ...]) -> None:
        """Compares specialists with the generalist on a request that was answered; returns at
        once."""
        if len(self._running) >= self._limits.max_concurrent or self._busy():
            self._count(specialists, "busy")
            return
        task = asyncio.create_task(self._compare(shown, specialists))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Leaves what is running."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _compare(self, shown: Shown, specialists: tuple[str, ...]) -> None:
        """One answer after the other, so that a comparison takes little of what users need."""
        answers = {shown.given.model: shown.given}
        for name in specialists:
            try:
                result = await self._compared(shown, name, answers)
            except Exception as error:  # noqa: BLE001 - in the background nobody else would hear
                detail = repr(error)
                fields = {"request_id": shown.request_id, "specialist": name, "detail": detail}
                _log.warning("a comparison failed", extra={"fields": fields})
                result = "failed"
            self._count((name,), result)

    async def _compared(self, shown: Shown, specialist: str, answers: dict[str, Given]) -> Result:
        if not await self._pairs.claim(shown.request_id, specialist, shown.time):
            return "repeated"
        for model in {specialist, self._cast.generalist} - answers.keys():
            refusal = await self._refusal(model)
            if refusal is not None:
                return refusal
            answers[model] = await self._ask(model, shown)
        compared = Compared(
            request_id=shown.request_id,
            version=self._pairs.selection.version(specialist),
            time=shown.time,
            specialist=answers[specialist],
            generalist=answers[self._cast.generalist],
        )
        verdict = await self._pairs.judged(compared, shown.prompt)
        if verdict is None:
            return await self._pairs.add(compared, None)
        await self._spend(JUDGE, verdict.usage)
        if verdict.scores is None:
            raise Unavailable(JUDGE, "what it said is no verdict")
        return await self._pairs.add(compared, verdict.scores)

    async def _refusal(self, model: str) -> Result | None:
        """Why nothing more is asked now, if so."""
        if self._busy():
            return "busy"
        if self._limits.down(model):
            return "unavailable"
        return "budget" if self._budget.is_spent(await self._budget.today()) else None

    async def _ask(self, model: str, shown: Shown) -> Given:
        asked = replace(
            shown.prompt,
            request_id=f"{shown.request_id}-shadow",
            sampling=replace(shown.prompt.sampling, top_logprobs=None),
            deadline_seconds=self._limits.timeout_seconds,
        )
        started, text, used, whole = self._clock(), "", Usage(0, 0), False
        try:
            async with (
                asyncio.timeout(self._limits.timeout_seconds),
                aclosing(self._cast.backends[model].stream(asked)) as chunks,
            ):
                async for chunk in chunks:
                    text, whole = text + chunk.text, whole or chunk.usage is not None
                    used = chunk.usage or Usage(0, used.completion_tokens + chunk.tokens)
        finally:
            # Also of an answer that broke off: a model that always does must not work for nothing.
            seconds, cost = self._clock() - started, await self._spend(model, used)
        if not whole:
            raise Unavailable(model, "its answer had no end")
        return Given(model, seconds, cost, text)

    async def _spend(self, model: str, usage: Usage) -> float:
        """Counts what an answer used; returns its list price."""
        cost = self._cast.prices[model].of(usage.prompt_tokens, usage.completion_tokens)
        tokens = usage.prompt_tokens + usage.completion_tokens
        self._metrics.tokens.labels(model).inc(tokens)
        self._metrics.cost.labels(model).inc(cost)
        await self._budget.spend(tokens, cost)
        return cost

    def _busy(self) -> bool:
        return self._limits.in_flight() > self._limits.busy_requests

    def _count(self, specialists: tuple[str, ...], result: Result) -> None:
        for name in specialists:
            self._metrics.comparisons.labels(name, result).inc()
