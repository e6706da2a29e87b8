"""`POST /v1/niche/route`: the routing decision of a request for `auto`, without an answer.

Rule: it calls no model, and does not count as a request for an answer. What led to the scores is
computed only if the request asks for it.
"""

import logging

import msgspec
from starlette.types import Receive, Scope, Send

from gateway.body import read_parsed
from gateway.decider import AutoRouter
from gateway.dependencies import Dependencies
from gateway.dialects.parse import RouteQuestion, parse_route
from gateway.dialects.route_schemas import (
    ExplanationBody,
    FormBody,
    NeighbourBody,
    PieceBody,
    RouteBody,
    SourceBody,
)
from gateway.record import observer_of, record_of
from gateway.responses import send_json, while_connected
from gateway.scoring import Explainer, ScoringFailed
from router.types import Decision, Explanation, Query, Rationale

_SHOWN_CHARACTERS = 160
"""Of a training prompt."""

_log = logging.getLogger("gateway.preview")


class Preview:
    """An ASGI endpoint.

    Args:
        dependencies: provide the limits and the clock.
        router: decides; its `access` must have no side effects.
        explainer: says what led to the scores.
    """

    def __init__(
        self, dependencies: Dependencies, router: AutoRouter, explainer: Explainer
    ) -> None:
        self._limits, self._clock = dependencies.config.gateway, dependencies.clock
        self._router, self._explainer = router, explainer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        question = await read_parsed(scope, receive, self._limits, parse_route)

        async def answer() -> None:
            started = self._clock()
            decision = await self._router.route(question.query)
            observer_of(scope).decided(decision, started, self._clock())
            await send_json(send, await self._body(question, decision))

        await while_connected(receive, record_of(scope), answer)

    async def _body(self, question: RouteQuestion, decision: Decision) -> RouteBody:
        if decision.scores is None:
            return _body(decision, None)
        rationale = await self._rationale(question.query) if question.explain else None
        why = self._router.policy.explain(decision.scores, rationale, self._router.access)
        return _body(decision, why)

    async def _rationale(self, query: Query) -> Rationale | None:
        try:
            return await self._explainer.explain(query)
        except ScoringFailed as error:
            _log.warning("a decision was not explained: %s", error)
            return None


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
        explanation=None if why.rationale is None else _explanation(why.rationale),
    )


def _explanation(rationale: Rationale) -> ExplanationBody:
    source, form = rationale.source, rationale.form
    return ExplanationBody(
        source=None
        if source is None
        else msgspec.convert(source, SourceBody, from_attributes=True),
        pieces=[PieceBody(text=piece.text, effect=piece.effect) for piece in rationale.pieces],
        neighbours=[
            NeighbourBody(text=_short(near.text), domain=near.domain, similarity=near.similarity)
            for near in rationale.neighbours
        ],
        form=None if form is None else FormBody(name=form.name, probability=form.probability),
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS].rstrip()}…"
