"""The events of one request for an answer, and who receives them.

    received -> decided -> dispatched -> answered -> chunk ... -> generated -> delivered -> ended
    failed, at any point, when the request fails

The record, log, metrics, trace, decision log and comparison are observers; `gateway/app.py`
composes them. Rule: an observer neither blocks nor raises. Times are seconds on the gateway's
monotonic clock.
"""

from collections.abc import Iterable

from typing_extensions import override

from deployments.protocol import Chunk, Usage
from gateway.dialects.parse import CompletionRequest
from gateway.errors import ErrorResponse
from gateway.tally import Costs
from router.dispatch import Answer
from router.types import Decision


class RequestObserver:
    """Receives one request's events. The methods do nothing; observers override what they need."""

    def received(self, request: CompletionRequest) -> None:
        """The request is valid."""

    def decided(self, decision: Decision, started: float, ended: float) -> None:
        """The router chose a model."""

    def dispatched(self, request: CompletionRequest, model: str, time: float) -> None:
        """The request is about to be sent to the first candidate."""

    def answered(self, answer: Answer, time: float) -> None:
        """The first chunk, or the whole answer, arrived from the model of the last attempt."""

    def chunk(self, chunk: Chunk, time: float) -> None:
        """A chunk arrived, the first and a whole answer included."""

    def generated(self, usage: Usage, finish_reasons: tuple[str, ...], costs: Costs | None) -> None:
        """The generation ended; `costs` is None if the model, or this gateway, broke it off."""

    def delivered(self, costs: Costs) -> None:
        """The whole answer was sent to the client."""

    def failed(self, error: BaseException, response: ErrorResponse) -> None:
        """The request failed; the client receives `response` if it is still connected."""

    def ended(self, time: float) -> None:
        """The request is over, successful or not; this is always the last event."""


class Observers(RequestObserver):
    """Passes every event to several observers, in order."""

    def __init__(self, observers: Iterable[RequestObserver]) -> None:
        self._all = tuple(observers)
        # There are many chunks: only observers that override `chunk` are called.
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
    def chunk(self, chunk: Chunk, time: float) -> None:
        for observer in self._of_chunks:
            observer.chunk(chunk, time)

    @override
    def generated(self, usage: Usage, finish_reasons: tuple[str, ...], costs: Costs | None) -> None:
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
