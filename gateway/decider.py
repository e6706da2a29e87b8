"""Turns the requested model into a decision: the policy's for `auto`, else that model.

Scoring takes milliseconds and runs on a thread or in another process; deciding takes microseconds
and runs on the event loop.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from deployments.capabilities import capabilities_of, learned_calls_of
from deployments.capability import Capability
from deployments.protocol import KINDS, Kind
from deployments.tool_call_ids import tag_of
from gateway.config import AUTO, NicheConfig
from gateway.dialects.parse import CompletionRequest
from gateway.errors import GatewayError, InvalidValue, ModelNotFound, UnsupportedParameter
from gateway.prompt_rooms import PromptRooms
from gateway.record import NONE
from gateway.scoring import Scorer, ScoringFailed
from router.bare_answers import is_bare
from router.policy import Access, Policy, everyone
from router.types import GENERAL, Decision, Query, Reason

_log = logging.getLogger("gateway.decider")

_MOST_INTRODUCED = 16
"""Answers of specialists that are looked for in a conversation: the last ones."""


@dataclass(frozen=True, slots=True)
class AutoRouter:
    """Routes queries for `auto`: scores them, then decides.

    Attributes:
        policy: chooses the model from the scores.
        scorer: scores queries.
        access: says which models may be asked; called on the event loop.
    """

    policy: Policy
    scorer: Scorer
    access: Access

    async def route(self, query: Query, able: Callable[[str], bool] = everyone) -> Decision:
        """The decision for a query among the models that are able; the generalist's if scoring
        fails."""
        access = replace(self.access, able=able)
        try:
            scores = await self.scorer.score(query)
        except ScoringFailed as error:
            _log.warning("a request was not classified: %s", error)
            return self.policy.unclassified(access)
        return self.policy.decide(scores, access)

    async def is_routed(self, query: Query, able: Callable[[str], bool]) -> bool:
        """Whether a specialist would get a query, down or not: no model is going to be asked."""
        access = replace(self.access, available=everyone, able=able)
        try:
            scores = await self.scorer.score(query)
        except ScoringFailed:
            return False
        return self.policy.decide(scores, access).reason == Reason.ROUTED

    def stay(self, model: str, domain: str, able: Callable[[str], bool]) -> Decision | None:
        """The decision for a request that answers this model's tool calls; None if the model may
        not be asked."""
        return self.policy.continued(model, domain, replace(self.access, able=able))


class Decider:
    """Chooses the model of each request, for one gateway process.

    Args:
        config: names the models.
        router: handles `auto`.
        rooms: refuses what no model could read.
    """

    def __init__(self, config: NicheConfig, router: AutoRouter, rooms: PromptRooms) -> None:
        self._domains: dict[Kind, dict[str, str]] = {"generation": {AUTO: GENERAL}}
        for spec in config.models:
            domain = spec.domain or (GENERAL if spec.kind == "generation" else NONE)
            self._domains.setdefault(spec.kind, {})[spec.name] = domain
        self._able = {spec.name: capabilities_of(spec) for spec in config.models}
        self._learned = {spec.name: learned_calls_of(spec) for spec in config.models}
        self._adapted = {spec.name for spec in config.specialists if spec.adapter is not None}
        self._generalist = config.generalist.name
        self._by_tag = {tag_of(spec.name): spec.name for spec in config.generating}
        self._router, self._rooms = router, rooms
        self._introduces = config.gateway.introduce_bare_answers

    async def decide(self, request: CompletionRequest) -> Decision:
        """The decision for a request.

        Raises:
            ModelNotFound: the model is not configured.
            InvalidValue: it is one for other requests.
            PromptTooLong: no model that it may mean has room for the prompt.
            UnsupportedParameter: it cannot do what the request needs, or none can.
        """
        model, able = request.model, self._domains.get(KINDS[request.operation], {})
        if model not in able:
            kinds = [kind for kind, models in self._domains.items() if model in models]
            raise _refusal(model[:80], able, kinds)
        self._rooms.require(request)
        if model == AUTO:
            return await self._routed(request)
        if not self._serves(model, request):
            raise self._lacking(request, model)
        return self._router.policy.requested(model, able[model])

    async def introduced(self, request: CompletionRequest, decision: Decision) -> tuple[int, ...]:
        """The messages that are read with words around them: bare answers of specialists, where
        the generalist answers in a form of its own choice.

        Nothing is kept of who answered what: an answer is a specialist's if the router sends what
        the user said before it to one.
        """
        free = request.model == AUTO and "response_format" not in request.fields
        if not (self._introduces and free and decision.candidates == (self._generalist,)):
            return ()
        said, able = request.query.messages, self._able_to_serve(request)
        bare = [
            at for at, turn in enumerate(said) if turn.role == "assistant" and is_bare(turn.content)
        ]
        bare = bare[-_MOST_INTRODUCED:]
        queries = [Query(said[:at]) for at in bare]
        routed = await asyncio.gather(*(self._router.is_routed(query, able) for query in queries))
        return tuple(at for at, is_routed in zip(bare, routed, strict=True) if is_routed)

    def _able_to_serve(self, request: CompletionRequest) -> Callable[[str], bool]:
        # An adapter was trained on chats: it never gets a raw text that did not name it.
        unfit = self._adapted if request.operation == "completion" else frozenset[str]()
        return lambda model: model not in unfit and self._serves(model, request)

    async def _routed(self, request: CompletionRequest) -> Decision:
        able = self._able_to_serve(request)
        decision = None
        if (caller := self._by_tag.get(request.caller or "")) is not None:
            decision = self._router.stay(caller, self._domains["generation"][caller], able)
        decision = decision or await self._router.route(request.query, able)
        if not decision.candidates:
            raise self._lacking(request, self._generalist)
        return decision

    def _serves(self, model: str, request: CompletionRequest) -> bool:
        """Whether a model can do what a request needs."""
        lacking = request.needs.keys() - self._able[model]
        learned = self._learned[model]
        if learned is not None and lacking == {Capability.TOOLS}:
            return learned.serve(request.fields)
        return not lacking

    def _lacking(self, request: CompletionRequest, model: str) -> GatewayError:
        """The error for a request that needs what this model cannot do."""
        could = [name for name in self._able if self._serves(name, request)]
        lacking = (of for of in request.needs.items() if of[0] not in self._able[model])
        place = next(place for _, place in lacking)
        return UnsupportedParameter(
            f"{place}: {request.model!r} does not serve this; models that do: "
            f"{', '.join(could) or 'none'}.",
            place,
        )


def _refusal(model: str, able: Iterable[str], kinds: Sequence[Kind]) -> GatewayError:
    """The error for a model that is not among those that could serve the request; `kinds` has its
    own, if it exists."""
    names = ", ".join(able) or "none"
    if not kinds:
        return ModelNotFound(f"Model {model!r} does not exist; available: {names}.", "model")
    return InvalidValue(f"model: {model!r} is for {kinds[0]} alone; available: {names}.", "model")
