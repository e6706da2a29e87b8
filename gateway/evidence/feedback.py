"""`POST /v1/feedback`: a grader's score or correction of an answer; and the record of which model
answered which request, and whose request it was.

Rule: whoever may not grade an answer learns as much of it as if there were none.

Rule: no request waits for the disk. The answering models are stored in batches, and before each
look-up; another gateway finds them after that.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.authentication import gradable
from gateway.config import NicheConfig
from gateway.errors import (
    AnswerNotFound,
    FeedbackLimitReached,
    InvalidValue,
    MissingParameter,
    UnsupportedParameter,
)
from gateway.evidence.grading import Pairs, UnusableCorrection
from gateway.evidence.metrics import EvidenceMetrics
from gateway.evidence.schemas import FeedbackBody, FeedbackReply
from gateway.evidence.store import (
    AnsweredRequest,
    AnswerFeedback,
    AnswerPair,
    Store,
    StoreExecutor,
)
from gateway.validation import read_as

_MOST_UNWRITTEN = 10_000
_LOOKS, _PAUSE_SECONDS = 4, 0.25


class AnsweredRequests:
    """The requests that this process answered, and a look-up over all gateways' requests.

    Args:
        executor: runs calls to the store.
        wall_clock: Unix time in seconds.
        keep_seconds: how long an answer can be found.
    """

    def __init__(
        self, executor: StoreExecutor, wall_clock: Callable[[], float], keep_seconds: float
    ) -> None:
        self._executor, self._wall_clock, self._keep_seconds = executor, wall_clock, keep_seconds
        self._unwritten = _unwritten()

    def now(self) -> float:
        """Unix seconds."""
        return self._wall_clock()

    def add(self, request_id: str, model: str, caller: str) -> None:
        """Adds an answer to a caller; returns at once."""
        self._unwritten.append(AnsweredRequest(request_id, model, self._wall_clock(), caller))

    async def write(self) -> None:
        """Stores pending answers.

        Raises:
            StoreError: the store cannot be used; the answers stay pending.
        """
        # Taken before the first await, so that concurrent calls write different answers.
        batch, self._unwritten = self._unwritten, _unwritten()
        if not batch:
            return
        try:
            await self._executor.run(lambda store: store.remember(batch))
        except BaseException:  # including cancellation; writing twice is harmless
            self._unwritten = _unwritten([*batch, *self._unwritten])
            raise

    async def forget(self) -> None:
        """Drops answers, pairs and feedback that are too old.

        Raises:
            StoreError: the store cannot be used.
        """
        before = self._wall_clock() - self._keep_seconds
        await self._executor.run(lambda store: store.forget(before))

    async def model_of(self, request_id: str, caller: str | None) -> str | None:
        """The model that answered a request of a caller, or of any (None); None when none is known.

        Raises:
            StoreError: the store cannot be used.
        """
        await self.write()
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_PAUSE_SECONDS)
            model = await self._executor.run(lambda store: store.model_of(request_id, caller))
            if model is not None:
                return model
        return None


def _unwritten(answers: Iterable[AnsweredRequest] = ()) -> deque[AnsweredRequest]:
    """A bounded queue: if the store stays unwritable, the oldest answers are dropped."""
    return deque(answers, maxlen=_MOST_UNWRITTEN)


class Feedback:
    """The endpoint.

    Args:
        config: has the limits of request bodies.
        answers: finds the model of an answer.
        pairs: the pairs that feedback grades.
        metrics: record the scores.
    """

    def __init__(
        self, config: NicheConfig, answers: AnsweredRequests, pairs: Pairs, metrics: EvidenceMetrics
    ) -> None:
        self._limits = config.gateway
        self._answers, self._pairs, self._metrics = answers, pairs, metrics

    async def post(self, request: Request) -> Response:
        """`POST /v1/feedback`.

        Raises:
            GatewayError: the body is invalid, or the answer is unknown.
            StoreError: the store cannot be used.
        """
        feedback, caller = await self._body(request), gradable(request.scope)
        answered_by = await self._answers.model_of(feedback.request_id, caller)
        if answered_by is None:
            raise AnswerNotFound(
                f"Request {feedback.request_id!r} has no known answer; send the x-request-id of a "
                "recent answer. Only an operator's key may grade answers to other keys.",
                "request_id",
            )
        model = feedback.model or answered_by
        if model != answered_by:
            await self._must_be_compared(feedback.request_id, model)
        try:
            if feedback.correction is not None:
                await self._must_be_usable(feedback.request_id, model, feedback.correction)
            await self._must_have_share(feedback.request_id, caller)
            return _json(await self._add(feedback, model, caller))
        except UnusableCorrection as error:
            raise InvalidValue(f"correction: {error}.", "correction") from None

    async def _body(self, request: Request) -> FeedbackBody:
        feedback = await read_as(request, FeedbackBody, self._limits)
        if feedback.score is None and feedback.correction is None:
            raise MissingParameter("Send a score in [0, 1], a correction, or both.", "score")
        if feedback.correction is not None and not self._pairs.store_texts:
            raise UnsupportedParameter(
                "correction: this gateway keeps no answers to compare it with; send a score, or "
                "set gateway.shadow.store_texts.",
                "correction",
            )
        return feedback

    async def _must_be_compared(self, request_id: str, model: str) -> None:
        """Raises unless this model's answer is part of a pair that waits for a grade."""
        pairs = await self._waiting(request_id)
        names = {answer.model for pair in pairs for answer in (pair.specialist, pair.generalist)}
        if model not in names:
            raise AnswerNotFound(
                f"Request {request_id!r} has no answer of model {model[:80]!r} that waits for a "
                "score; leave out model to score the answer that was sent.",
                "model",
            )

    async def _must_be_usable(self, request_id: str, model: str, correction: str) -> None:
        """Raises unless the grader of each affected specialist can use the correction."""
        about = {model, *(pair.specialist.model for pair in await self._waiting(request_id))}
        for name in about & self._pairs.gradings.keys():
            grading = self._pairs.gradings[name]
            if grading.against(correction, correction) != 1:
                raise UnusableCorrection(f"the grader {grading.grader!r} finds no answer in it")

    async def _must_have_share(self, request_id: str, grader: str | None) -> None:
        """Raises if a grader may add nothing to the evidence to which the answer belongs."""
        limit = self._pairs.limit
        share = limit.share(grader)
        if share is None:
            return

        def spent(store: Store) -> str | None:
            names = (pair.specialist.model for pair in store.waiting(request_id))
            return next((it for it in names if store.graded(it, share) >= share.max_pairs), None)

        name = await self._pairs.executor.run(spent)
        if name is not None:
            raise FeedbackLimitReached(
                f"This key has graded {share.max_pairs} pairs of {name!r} today (UTC), and no more "
                "count (gateway.shadow.max_pairs_per_key_per_day).",
                headers={"retry-after": str(limit.seconds_left())},
            )

    async def _waiting(self, request_id: str) -> Sequence[AnswerPair]:
        return await self._pairs.executor.run(lambda store: store.waiting(request_id))

    async def _add(self, feedback: FeedbackBody, model: str, grader: str | None) -> FeedbackReply:
        note = AnswerFeedback(feedback.score, feedback.correction, grader)
        now = self._answers.now()
        noted = await self._pairs.executor.run(
            lambda store: store.note(feedback.request_id, model, note, now)
        )
        if noted == "settled":
            return FeedbackReply(feedback.request_id, model, noted)
        if feedback.score is not None and noted == "new":
            self._metrics.feedback.labels(model).observe(feedback.score)
        outcome = await self._pairs.settle(feedback.request_id)
        return FeedbackReply(feedback.request_id, model, outcome or "noted")


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
