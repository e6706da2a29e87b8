"""`POST /v1/messages/count_tokens`: how many tokens a conversation has, for the model that would
answer.

Rule: it is no request for an answer. Nothing of it is billed, compared or logged as a decision.
"""

import asyncio
from dataclasses import dataclass, replace
from functools import partial

from starlette.types import Receive, Scope, Send

from deployments.protocol import ModelRequest, PromptTooLong
from deployments.token_counts import counted
from gateway.admission import client_of
from gateway.body import read_parsed
from gateway.deadline import time_limits, within
from gateway.decider import Decider
from gateway.dependencies import Dependencies
from gateway.dialects.messages import parse_token_count
from gateway.dialects.parse import CompletionRequest
from gateway.images import Images
from gateway.record import observer_of, record_of
from gateway.responses import JSON, send_bytes, while_connected
from router.dispatch import Answer, Dispatcher
from router.types import Decision, Reason


@dataclass(frozen=True)
class TokenCounting:
    """An ASGI endpoint.

    Attributes:
        dependencies: provide the limits and the clock.
        decider: chooses the model.
        images: fetches what a model that sees is shown by URL.
        dispatcher: asks it.
    """

    dependencies: Dependencies
    decider: Decider
    images: Images
    dispatcher: Dispatcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        limits = self.dependencies.config.gateway
        request = await read_parsed(scope, receive, limits, parse_token_count)
        await while_connected(receive, record_of(scope), partial(self._count, request, scope, send))

    async def _count(self, request: CompletionRequest, scope: Scope, send: Send) -> None:
        clock, observer = self.dependencies.clock, observer_of(scope)
        edge = self.dependencies.config.gateway
        seconds = time_limits(scope, edge.request_timeout_seconds, stream=False).answer
        loop, started = asyncio.get_running_loop(), clock()
        until = loop.time() + seconds

        def ask(model: str) -> ModelRequest:
            # As for a comparison: with what a model may read, and without hints.
            return ModelRequest(
                record_of(scope).request_id,
                model,
                "count_tokens",
                shown.shadow_body(introduced),
                deadline_seconds=max(until - loop.time(), 0.0),
                max_wait_seconds=edge.max_wait_seconds,
                client=client_of(scope),
            )

        async with within(seconds, until, lambda: request.model):
            decision = await self.decider.decide(request)
            observer.decided(decision, started, clock())
            introduced = await self.decider.introduced(request, decision)
            shown = await self.images.inlined(request) if request.images else request
            try:
                answer = await self.dispatcher.complete(decision, ask)
            except PromptTooLong as error:  # for every model: the count is what the client asked
                answer = _too_long_for_all(decision, error)
        unheard = request.unheard(sorted(request.hints))
        first = replace(answer.first, not_applied=unheard)
        observer.answered(replace(answer, first=first), clock())
        await send_bytes(send, 200, JSON, answer.first.data)


def _too_long_for_all(decision: Decision, error: PromptTooLong) -> Answer:
    """The count of the last model, which has no room for the prompt; raises the error again if it
    did not count."""
    if error.prompt_tokens is None:
        raise error
    reason = decision.reason if len(decision.candidates) == 1 else Reason.CONTEXT_LENGTH_EXCEEDED
    return Answer(decision.candidates[-1], reason, counted(error.prompt_tokens), ())
