"""The events of one request for an answer, and who is told of them.

    received -> decided -> dispatched -> answered -> chunk ... -> generated -> delivered -> ended
    failed, at any point, when the request cannot be answered as it should

The record, the log, the metrics, the trace, the decision log and the comparison each are an
observer; `gateway/app.py` composes them. Rule: an observer neither waits nor raises. Times are
seconds on the gateway's monotonic clock.
"""

from collections.abc import Iterable

from typing_extensions import override

from deployments.protocol import Chunk, FinishReason, Usage
from gateway.dialects.parse import CompletionRequest
from gateway.errors import ErrorResponse
from gateway.tally import Costs
from router.dispatch import Answer
from router.types import Decision


class RequestObserver:
    """Is told of one request's events, and ignores them; observers override what they need."""

    def received(self, request: CompletionRequest) -> None:
        """The request is valid."""

    def decided(self, decision: Decision, started: float, ended: float) -> None:
        """The request has a model."""

    def dispatched(self, request: CompletionRequest, model: str, time: float) -> None:
        """The first candidate is asked now."""

    def answered(self, answer: Answer, time: float) -> None:
        """The first chunk is there, of the model that the last attempt found."""

    def chunk(self, index: int, chunk: Chunk, time: float) -> None:
        """A chunk of choice `index` is there."""

    def generated(
        self, usage: Usage, finish_reasons: tuple[FinishReason, ...], costs: Costs | None
    ) -> None:
        """The generation is over; `costs` is None where it is not complete."""

    def delivered(self, costs: Costs) -> None:
        """The client has the whole answer."""

    def failed(self, error: BaseException, response: ErrorResponse) -> None:
        """The request failed; the client is told `response`, if it can still be told."""

    def ended(self, time: float) -> None:
        """The request is over, whatever came of it; this is always the last event."""


class Observers(RequestObserver):
    """Passes every event to several observers, in their order."""

    def __init__(self, observers: Iterable[RequestObserver]) -> None:
        self._all = tuple(observers)
        # Chunks are many: only those are called who do something with one.
        self._of_chunks = tuple(
            observer for observer in self._all if type(observer).chunk is not RequestObserver.chunk
        )

    @override
    def received(self, request: CompletionRequest) -> None:
        for observer in self._all:
            observer.received(request)

    @override
    def decided(self, decision: Decision, started: float, ended: float) -> None:
        for observer in self._all:
            observer.decided(decision, started, ended)

    @override
    def dispatched(self, request: CompletionRequest, model: str, time: float) -> None:
        for observer in self._all:
            observer.dispatched(request, model, time)

    @override
    def answered(self, answer: Answer, time: float) -> None:
        for observer in self._all:
            observer.answered(answer, time)

    @override
    def chunk(self, index: int, chunk: Chunk, time: float) -> None:
        for observer in self._of_chunks:
            observer.chunk(index, chunk, time)

    @override
    def generated(
        self, usage: Usage, finish_reasons: tuple[FinishReason, ...], costs: Costs | None
    ) -> None:
        for observer in self._all:
            observer.generated(usage, finish_reasons, costs)

    @override
    def delivered(self, costs: Costs) -> None:
        for observer in self._all:
            observer.delivered(costs)

    @override
    def failed(self, error: BaseException, response: ErrorResponse) -> None:
        for observer in self._all:
            observer.failed(error, response)

    @override
    def ended(self, time: float) -> None:
        for observer in self._all:
            observer.ended(time)
