"""What clients and the operator see and say of the comparison: evidence, pairs, orders."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import (
    AnswerNotFound,
    InvalidValue,
    ModelNotFound,
    ShadowOff,
    TransitionRefused,
)
from gateway.evidence.evidence import Seen, render_specialist, render_totals, render_trusted
from gateway.evidence.live import Live, Surroundings
from gateway.evidence.reading import read_as
from gateway.evidence.schemas import (
    AnswerBody,
    Budget,
    EvidenceBody,
    Order,
    PairBody,
    PairsBody,
    Settings,
    SpecialistBody,
)
from gateway.evidence.store import Given, Store
from gateway.evidence.traffic import Traffic, traffic
from router.errors import UnknownTransition
from router.selection.record import SpecialistRecord, Transition

_MOST_TRANSITIONS = 50


class LiveEndpoints:
    """What clients and the operator see and say of the live comparison.

    Args:
        around: the gateway.
        live: the comparison; None where `gateway.shadow` is not set.
    """

    def __init__(self, around: Surroundings, live: Live | None) -> None:
        self._around, self._live = around, live
        self._started = around.wall_clock()

    async def evidence(self, _request: Request) -> Response:
        """`GET /v1/niche/evidence`.

        Raises:
            StoreError: the store cannot be used.
        """
        around = self._around
        found = await asyncio.to_thread(traffic, around.registry, around.multiprocess_dir)
        config, live = around.config, self._live
        specialists = await self._specialists(found)
        body = EvidenceBody(
            enabled=live is not None,
            time=around.wall_clock(),
            currency=config.observability.currency,
            generalist=config.generalist.name,
            settings=None if live is None else _settings(live),
            budget=None if live is None else await _budget(live),
            totals=render_totals(found, specialists),
            specialists=specialists,
        )
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def order(self, request: Request) -> Response:
        """`POST /v1/niche/lifecycle/{model}`: answers with how the specialist then stands.

        Raises:
            GatewayError: the body has a fault, there is no such specialist, or its state forbids
                it.
            StoreError: the store cannot be used.
        """
        live = self._on()
        name = request.path_params["model"]
        names = [spec.name for spec in self._around.config.specialists]
        if name == self._around.config.generalist.name:
            raise InvalidValue(f"{name}: the generalist has no lifecycle.", "model")
        if name not in names:
            known = ", ".join(names) or "none"
            raise ModelNotFound(f"No specialist {name[:80]!r}; there are {known}.", "model")
        order = await read_as(request, Order, self._around.config.gateway)
        try:
            await live.selection.order(name, order.action, order.reason)
        except UnknownTransition as error:
            raise TransitionRefused(f"{name}: {error}.", "action") from None
        around = self._around
        found = await asyncio.to_thread(traffic, around.registry, around.multiprocess_dir)
        [body] = [one for one in await self._specialists(found) if one.name == name]
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def pairs(self, request: Request) -> Response:
        """`GET /v1/niche/pairs/{request_id}`.

        Raises:
            AnswerNotFound: none of the request's pairs waits for a grade.
            StoreError: the store cannot be used.
        """
        request_id = request.path_params["request_id"]
        waiting = await self._on().clerk.do(lambda store: store.waiting(request_id))
        if not waiting:
            raise AnswerNotFound(
                f"No pair of answers to request {request_id[:128]!r} waits for a grade.",
                "request_id",
            )
        pairs = [PairBody(_answer(pair.specialist), _answer(pair.generalist)) for pair in waiting]
        body = PairsBody(request_id, pairs)
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def feedback(self, request: Request) -> Response:
        """`POST /v1/feedback`.

        Raises:
            GatewayError: see `Feedback`.
        """
        return await self._on().feedback.post(request)

    def _on(self) -> Live:
        if self._live is None:
            raise ShadowOff("Nothing is compared here: gateway.shadow is not set in niche.yaml.")
        return self._live

    async def _specialists(self, found: Traffic) -> list[SpecialistBody]:
        specs = [
            (spec.name, spec.domain or "", found.requests.get(spec.name, 0))
            for spec in self._around.config.specialists
        ]
        if self._live is None:
            return [render_trusted(*spec, self._started) for spec in specs]

        def read(store: Store) -> list[tuple[SpecialistRecord, int, list[Transition]]]:
            standings, waiting = store.standings(), store.waiting_count()
            return [
                (
                    standings[name],
                    waiting.get(name, 0),
                    list(store.transitions(name, _MOST_TRANSITIONS)),
                )
                for name, _, _ in specs
            ]

        rows = await self._live.clerk.do(read)
        rules = self._live.selection.rules
        return [
            render_specialist(Seen(*spec, waiting, standing, transitions), rules)
            for spec, (standing, waiting, transitions) in zip(specs, rows, strict=True)
        ]


def _answer(given: Given) -> AnswerBody:
    return AnswerBody(given.model, given.text, given.latency_seconds, given.cost)


def _settings(live: Live) -> Settings:
    section, selection = live.section, live.selection.rules.selection
    return Settings(
        share=section.share,
        trial_share=section.trial_share,
        margin=selection.margin,
        alpha=selection.alpha,
        confidence=1 - selection.alpha,
        grading={name: grading.settings.by for name, grading in live.gradings.items()},
    )


async def _budget(live: Live) -> Budget:
    used = await live.budget.today()
    return Budget(
        tokens_per_day=live.budget.tokens_per_day,
        tokens_today=used.tokens,
        cost_per_day=live.budget.cost_per_day,
        cost_today=used.cost,
        spent=live.budget.is_spent(used),
    )
