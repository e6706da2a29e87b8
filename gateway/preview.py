"""`POST /v1/niche/route`: the routing decision of a request for `auto`, without an answer.

Rule: it calls no model, and does not count as a request for an answer.
"""

import msgspec
from starlette.types import Receive, Scope, Send

from gateway.body import decode_object, read_body
from gateway.decider import AutoRouter
from gateway.dependencies import Dependencies
from gateway.dialects.parse import parse_route
from gateway.dialects.route_schemas import RouteBody
from gateway.record import observer_of, record_of
from gateway.responses import send_json, while_connected
from router.types import Decision, Explanation


class Preview:
    """An ASGI endpoint.

    Args:
        dependencies: provide the limits and the clock.
        router: decides; its `access` must have no side effects.
    """

    def __init__(self, dependencies: Dependencies, router: AutoRouter) -> None:
        self._limits, self._clock = dependencies.config.gateway, dependencies.clock
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        limits = self._limits
        body = await read_body(scope, receive, limits.max_body_bytes, limits.body_timeout_seconds)
        query = parse_route(decode_object(body))

        async def answer() -> None:
            started = self._clock()
            decision = await self._router.route(query)
            observer_of(scope).decided(decision, started, self._clock())
            await send_json(send, self._body(decision))

        await while_connected(receive, record_of(scope), answer)

    def _body(self, decision: Decision) -> RouteBody:
        scores = decision.scores
        return _body(decision, None if scores is None else self._router.policy.explain(scores))


def _body(decision: Decision, why: Explanation | None) -> RouteBody:
    body = RouteBody(
        domain=decision.domain,
        model=decision.candidates[0],
        candidates=list(decision.candidates),
        reason=str(decision.reason),
        confidence=decision.confidence,
        probabilities={},
    )
    if why is None:
        return body
    return msgspec.structs.replace(
        body,
        probabilities=dict(sorted(why.probabilities.items(), key=lambda item: -item[1])),
        min_confidence=why.min_confidence,
        ood_score=why.ood_score,
        max_ood_score=why.max_ood_score,
        truncated=why.truncated,
        guarantee=why.guarantee,
    )
