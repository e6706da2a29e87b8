"""Where the requests of one process wait for the models of a deployment, or are refused.

Rule: who would wait too long is told at once, and when to come again. `ExpectedWait` estimates it:
the requests of this process are counted exactly, those of other gateway replicas as the model's
replicas told last.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from deployments.admission import Refusal, refusal
from deployments.expected_wait import ExpectedWait
from deployments.protocol import ModelRequest, Overloaded
from deployments.spec import ModelSpec
from deployments.turns import Turns

USUAL_SLOTS = 64
"""Requests at once of a replica, where neither it nor the configuration says a number."""
_NEWS_SECONDS = 0.5
"""How old the replicas' word may be while requests wait."""
_LONGEST_RETRY_SECONDS = 60.0
"""OpenAI's clients do not believe a longer one."""


class Limiter:
    """Limits for the requests of a deployment's models, with a queue for each model, in which its
    clients take turns; lives on one event loop.

    Args:
        specs: its models.
        replicas: among which the requests are spread.
        keeps_queue: whether requests beyond the limits wait here; else somebody else limits them.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        replicas: int = 1,
        *,
        keeps_queue: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._most_waiting = {spec.name: spec.limits.max_queued_requests for spec in specs}
        limits = {spec.name: spec.limits.max_ongoing_requests for spec in specs}
        self._expected = ExpectedWait(
            {
                name: (None if limit is None else limit * replicas) if keeps_queue else math.inf
                for name, limit in limits.items()
            },
            USUAL_SLOTS * replicas if keeps_queue else math.inf,
        )
        self._crowded, self._told_at = False, -math.inf
        self._turns = {name: Turns[None]() for name in limits}
        self._handed = {name: dict[str, int]() for name in limits}

    def queued(self, model: str) -> int:
        """The number of requests that wait here."""
        return self._expected.waiting(model)

    def expected_wait(self, model: str) -> float:
        """Seconds that one more request would wait."""
        return self._expected.seconds(model, self._clock())

    def told(self, slots: int | None, running: Mapping[str, int]) -> None:
        """Takes in what all replicas together told; see `ExpectedWait.told`."""
        self._told_at = self._clock()
        self._expected.told(slots, running, self._told_at)
        for model in self._turns:
            self._hand_on(model)

    @property
    def wants_news(self) -> bool:
        """Whether the replicas should tell how much they have: requests wait, and what they told
        is old."""
        return self._crowded and self._clock() - self._told_at > _NEWS_SECONDS

    @asynccontextmanager
    async def slot(self, request: ModelRequest) -> AsyncIterator[None]:
        """Holds a slot; waits for one in the queue. Cancelling it leaves the queue.

        Raises:
            Overloaded: the queue is full, or the request would wait too long.
        """
        model, client = request.model, request.client
        self._admit(request)
        await self._turn(request)
        handed = self._handed[model]
        handed[client] = handed.get(client, 0) + 1
        answered = False
        try:
            yield
            answered = True
        finally:
            handed[client] -= 1
            if not handed[client]:
                del handed[client]
            self._end(model, answered=answered)

    def _admit(self, request: ModelRequest) -> None:
        model, now = request.model, self._clock()
        wait = self._expected.seconds(model, now, self._turns[model].before(request.client))
        service = self._expected.service_seconds(model)
        self._crowded = wait > 0
        found = refusal(wait, service, request.max_wait_seconds, request.deadline_seconds)
        most, queued = self._most_waiting[model], self.queued(model)
        if found is None and most is not None and queued >= most and self._must_wait(request):
            found = Refusal("queue", self._expected.turn_seconds(model))
        if found is not None:
            seconds = found.excess_seconds
            if request.max_wait_seconds != 0:  # who must not wait does not come first later
                seconds += self._expected.turned_away(model, now, _LONGEST_RETRY_SECONDS)
            raise Overloaded(model, queued, min(seconds, _LONGEST_RETRY_SECONDS), found.cause)

    def _must_wait(self, request: ModelRequest) -> bool:
        model, client, turns = request.model, request.client, self._turns[request.model]
        if not turns and self._expected.has_room(model):
            return False
        handed = self._handed[model]
        has_share = handed.get(client, 0) * len(handed | {client: 0}) >= self._expected.slots
        return has_share or client in turns or not self._expected.has_room(model, spare=True)

    async def _turn(self, request: ModelRequest) -> None:
        model, client = request.model, request.client
        must_wait, turns = self._must_wait(request), self._turns[model]
        self._expected.entered(model)
        if not must_wait:
            self._expected.handed(model, self._clock())
            return
        turn = asyncio.get_running_loop().create_future()
        turns.append(client, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                turns.remove(client, turn)
                self._expected.left(model)
            else:  # its turn came together with the cancellation
                self._end(model, answered=False)
            raise

    def _end(self, model: str, *, answered: bool) -> None:
        self._expected.ended(model, self._clock(), answered=answered)
        self._hand_on(model)

    def _hand_on(self, model: str) -> None:
        turns = self._turns[model]
        while turns and self._expected.has_room(model):
            turn = turns.popleft()
            if not turn.cancelled():
                turn.set_result(None)
                self._expected.handed(model, self._clock())
