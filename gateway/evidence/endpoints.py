"""The endpoints of the online evaluation: evidence, pairs, feedback, and changes of state."""

import asyncio
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.authentication import gradable
from gateway.dependencies import Dependencies
from gateway.errors import (
    AnswerNotFound,
    InvalidValue,
    ModelNotFound,
    ShadowDisabled,
    TransitionRefused,
)
from gateway.evidence.evaluation import OnlineEvaluation
from gateway.evidence.report import (
    ObservedSpecialist,
    Traffic,
    read_traffic,
    render_specialist,
    render_totals,
    render_trusted,
)
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
from gateway.evidence.store import ModelAnswer, Store
from gateway.fresh import Fresh
from gateway.metrics import SCRAPE_SECONDS
from gateway.validation import read_as
from router.errors import UnknownTransition
from router.selection.record import SpecialistRecord, Transition

_MOST_TRANSITIONS = 50


class EvidenceEndpoints:
    """The endpoints.

    Args:
        dependencies: the gateway's.
        evaluation: the online evaluation; None if `gateway.shadow` is not set.
    """

    def __init__(self, dependencies: Dependencies, evaluation: OnlineEvaluation | None) -> None:
        self._dependencies, self._evaluation = dependencies, evaluation
        self._config = dependencies.config
        self._started = dependencies.wall_clock()
        metrics = dependencies.metrics.registry, dependencies.multiprocess_dir
        read = partial(asyncio.to_thread, read_traffic, *metrics)
        self._traffic = Fresh(read, dependencies.clock, SCRAPE_SECONDS)
        self._body = Fresh(self._written, dependencies.clock, seconds=0)

    async def evidence(self, _request: Request) -> Response:
        """`GET /v1/niche/evidence`: written once for all who ask meanwhile.

        Raises:
            StoreError: the store cannot be used.
        """
        return Response(await self._body.get(), media_type="application/json")

    async def _written(self) -> bytes:
        config, evaluation = self._config, self._evaluation
        traffic = await self._traffic.get()
        specialists = await self._specialists(traffic)
        body = EvidenceBody(
            enabled=evaluation is not None,
            time=self._dependencies.wall_clock(),
            currency=config.observability.currency,
            generalist=config.generalist.name,
            settings=None if evaluation is None else _settings(evaluation),
            budget=None if evaluation is None else await _budget(evaluation),
            totals=render_totals(traffic, specialists),
            specialists=specialists,
        )
        return msgspec.json.encode(body)

    async def order(self, request: Request) -> Response:
        """`POST /v1/niche/lifecycle/{model}`: changes the state of a specialist; answers with its
        evidence.

        Raises:
            GatewayError: the body is invalid, the specialist does not exist, or its state does
                not allow the change.
            StoreError: the store cannot be used.
        """
        evaluation = self._enabled()
        name = request.path_params["model"]
        names = [spec.name for spec in self._config.specialists]
        if name == self._config.generalist.name:
            raise InvalidValue(f"{name}: the generalist has no lifecycle.", "model")
        if name not in names:
            available = ", ".join(names) or "none"
            raise ModelNotFound(
                f"Specialist {name[:80]!r} does not exist; available: {available}.", "model"
            )
        order = await read_as(request, Order, self._config.gateway)
        try:
            await evaluation.states.order(name, order.action, order.reason)
        except UnknownTransition as error:
            raise TransitionRefused(f"{name}: {error}.", "action") from None
        specialists = await self._specialists(await self._traffic.get())
        [body] = [specialist for specialist in specialists if specialist.name == name]
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def pairs(self, request: Request) -> Response:
        """`GET /v1/niche/pairs/{request_id}`.

        Raises:
            AnswerNotFound: no pair of this request waits for a grade that this caller may give.
            StoreError: the store cannot be used.
        """
        request_id, caller = request.path_params["request_id"], gradable(request.scope)
        found = await self._enabled().executor.run(lambda store: store.waiting(request_id))
        waiting = [pair for pair in found if caller in (None, pair.caller)]
        if not waiting:
            raise AnswerNotFound(
                f"Request {request_id[:128]!r} has no pair of answers that waits for a grade.",
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
        return await self._enabled().feedback.post(request)

    def _enabled(self) -> OnlineEvaluation:
        if self._evaluation is None:
            raise ShadowDisabled(
                "This gateway compares no answers: gateway.shadow is not set in niche.yaml."
            )
        return self._evaluation

    async def _specialists(self, traffic: Traffic) -> list[SpecialistBody]:
        specs = [
            (spec.name, spec.domain or "", traffic.requests.get(spec.name, 0))
            for spec in self._config.specialists
        ]
        if self._evaluation is None:
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

        rows = await self._evaluation.executor.run(read)
        rules = self._evaluation.states.rules
        return [
            render_specialist(ObservedSpecialist(*spec, waiting, standing, transitions), rules)
            for spec, (standing, waiting, transitions) in zip(specs, rows, strict=True)
        ]


def _answer(answer: ModelAnswer) -> AnswerBody:
    return AnswerBody(answer.model, answer.text, answer.latency_seconds, answer.cost)


def _settings(evaluation: OnlineEvaluation) -> Settings:
    section, selection = evaluation.section, evaluation.states.rules.selection
    return Settings(
        sample_ratio=section.sample_ratio,
        trial_sample_ratio=section.trial_sample_ratio,
        margin=selection.margin,
        alpha=selection.alpha,
        confidence=1 - selection.alpha,
        grading={name: grading.settings.method for name, grading in evaluation.gradings.items()},
        quality_point_worth=selection.quality_point_worth,
    )


async def _budget(evaluation: OnlineEvaluation) -> Budget:
    used = await evaluation.budget.today()
    return Budget(
        max_tokens_per_day=evaluation.budget.max_tokens_per_day,
        tokens_today=used.tokens,
        max_cost_per_day=evaluation.budget.max_cost_per_day,
        cost_today=used.cost,
        spent=evaluation.budget.is_spent(used),
    )
