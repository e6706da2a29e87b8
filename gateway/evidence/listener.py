"""Hears one answer on its way to the user, for feedback to find it and for comparison."""

from collections.abc import Callable

from deployments.protocol import Chunk, Prompt
from gateway.evidence.live import Live
from gateway.evidence.store import Given
from router.types import Decision

OnChunk = Callable[[int, Chunk], object]


class Listener:
    """Keeps the text of an answer only if it is to be compared.

    Args:
        live: what it listens for.
        request_id: of the response.
        prompt: what is asked; None where there are several answers, which are not compared.
        decision: where the request goes.
        clock: monotonic seconds; the model has been asked when this is made.
    """

    def __init__(
        self,
        live: Live,
        request_id: str,
        prompt: Prompt | None,
        decision: Decision,
        clock: Callable[[], float],
    ) -> None:
        self._live, self._request_id, self._prompt = live, request_id, prompt
        self._first = decision.candidates[0]
        self._specialists = () if prompt is None else live.picked(request_id, decision)
        self._clock, self._started = clock, clock()
        self._ended = self._started
        self._pieces: list[str] = []

    def hearing(self, on_chunk: OnChunk) -> OnChunk:
        """Who is to be told of chunks: `on_chunk`, and this, if it has to hear."""
        if not self._specialists:
            return on_chunk

        def both(index: int, chunk: Chunk) -> None:
            self._pieces.append(chunk.text)
            self._ended = self._clock()
            on_chunk(index, chunk)

        return both

    def ended(self, model: str, cost: float) -> None:
        """The user has the whole answer; returns at once.

        Args:
            model: who answered; if that is not whom the decision meant, nothing is compared.
            cost: its list price in currency units.
        """
        self._live.answered(self._request_id, model)
        if self._prompt is None or not self._specialists or model != self._first:
            return
        seconds = self._ended - self._started
        given = Given(model, seconds, cost, "".join(self._pieces))
        self._live.compare(self._prompt, given, self._specialists)
