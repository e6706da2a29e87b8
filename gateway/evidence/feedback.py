"""`POST /v1/feedback`: what a client thinks of an answer, or knows that it should have been."""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.config import NicheConfig
from gateway.errors import (
    AnswerNotFound,
    InvalidValue,
    MissingParameter,
    UnsupportedParameter,
)
from gateway.evidence.answers import Answers
from gateway.evidence.grading import UnusableCorrection
from gateway.evidence.metrics import LiveMetrics
from gateway.evidence.pairs import Pairs
from gateway.evidence.reading import read_as
from gateway.evidence.schemas import FeedbackBody, FeedbackReply
from gateway.evidence.store import Compared, Note


class Feedback:
    """The endpoint.

    Args:
        config: its limits hold here too.
        answers: finds who answered.
        pairs: are graded by it.
        metrics: is told of scores.
    """

    def __init__(
        self, config: NicheConfig, answers: Answers, pairs: Pairs, metrics: LiveMetrics
    ) -> None:
        self._limits = config.gateway
        self._answers, self._pairs, self._metrics = answers, pairs, metrics

    async def post(self, request: Request) -> Response:
        """`POST /v1/feedback`.

        Raises:
            GatewayError: the body has a fault, or there is no such answer.
            StoreError: the store cannot be used.
        """
        said = await self._body(request)
        answered_by = await self._answers.model_of(said.request_id)
        if answered_by is None:
            raise AnswerNotFound(
                f"No answer has the id {said.request_id!r}; send the x-request-id of an answer "
                "that is not too old.",
                "request_id",
            )
        model = said.model or answered_by
        if model != answered_by:
            await self._must_be_compared(said.request_id, model)
        try:
            if said.correction is not None:
                await self._must_be_usable(said.request_id, model, said.correction)
            return _json(await self._noted(said, model))
        except UnusableCorrection as error:
            raise InvalidValue(f"correction: {error}.", "correction") from None

    async def _body(self, request: Request) -> FeedbackBody:
        said = await read_as(request, FeedbackBody, self._limits)
        if said.score is None and said.correction is None:
            raise MissingParameter("Send a score in [0, 1], a correction, or both.", "score")
        if said.correction is not None and not self._pairs.store_texts:
            raise UnsupportedParameter(
                "correction: this gateway keeps no answers to hold it against; send a score, or "
                "have gateway.shadow.store_texts set.",
                "correction",
            )
        return said

    async def _must_be_compared(self, request_id: str, model: str) -> None:
        """An answer that nobody saw can be scored while its pair waits."""
        pairs = await self._waiting(request_id)
        names = {given.model for pair in pairs for given in (pair.specialist, pair.generalist)}
        if model not in names:
            raise AnswerNotFound(
                f"Request {request_id!r} has no answer of model {model[:80]!r} that waits for a "
                "score; leave out model for the answer that was sent.",
                "model",
            )

    async def _must_be_usable(self, request_id: str, model: str, correction: str) -> None:
        """A right answer has to be right by the grader of each specialist that it is about."""
        about = {model, *(pair.specialist.model for pair in await self._waiting(request_id))}
        for name in about & self._pairs.gradings.keys():
            grading = self._pairs.gradings[name]
            if grading.against(correction, correction) != 1:
                raise UnusableCorrection(f"the grader {grading.grader!r} finds no answer in it")

    async def _waiting(self, request_id: str) -> Sequence[Compared]:
        return await self._pairs.clerk.do(lambda store: store.waiting(request_id))

    async def _noted(self, said: FeedbackBody, model: str) -> FeedbackReply:
        note = Note(said.score, said.correction)
        now = self._answers.now()
        await self._pairs.clerk.do(lambda store: store.note(said.request_id, model, note, now))
        if said.score is not None:
            self._metrics.feedback.labels(model).observe(said.score)
        outcome = await self._pairs.settle(said.request_id)
        return FeedbackReply(said.request_id, model, outcome or "noted")


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
