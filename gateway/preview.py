"""`POST /v1/niche/route`: what `niche route` prints, over HTTP: the decision, and no answer.

It is decided as a request for `auto` would be. Rule: no model is asked, and nothing is counted as
a request for an answer.
"""

import msgspec
from starlette.types import Receive, Scope, Send

from gateway.body import decode_object, read_body
from gateway.decider import Access
from gateway.dialects.parse import parse_route
from gateway.dialects.route_schemas import RouteBody
from gateway.record import record_of
from gateway.responses import send_json, while_connected
from gateway.scoring import Scorer, ScoringFailed
from router.router import Router
from router.types import Decision, Explanation, Query


class Preview:
    """An ASGI endpoint.

    Args:
        scorer: scores queries for the router.
        router: decides.
        access: says which models could be asked; asking must change nothing.
        limits: the most bytes of a body, and the most seconds that it may take.
    """

    def __init__(
        self,
        scorer: Scorer,
        router: Router,
        access: Access,
        limits: tuple[int, float],
    ) -> None:
        self._scorer, self._router, self._access = scorer, router, access
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        record = record_of(scope)
        query = parse_route(decode_object(await read_body(scope, receive, *self._limits)))

        async def answer() -> None:
            decision, why = await self._decided(query)
            record.decided(decision)
            await send_json(send, _body(decision, why))

        await while_connected(receive, record, answer)

    async def _decided(self, query: Query) -> tuple[Decision, Explanation | None]:
        try:
            scores = await self._scorer.score(query)
        except ScoringFailed:
            return self._router.unclassified(), None
        decision = self._router.decide(scores, self._access.available, self._access.active)
        return decision, self._router.explained(scores)


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
        scope=why.scope,
        scope_threshold=why.scope_threshold,
        truncated=why.truncated,
        guarantee=why.guarantee,
    )
