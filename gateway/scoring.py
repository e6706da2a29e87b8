"""Scores queries in batches.

Rule: a batch is never delayed to fill up. Queries that arrive while the worker computes form the
next batch, in order of arrival. So a query waits for the running batch only, unless the queue
exceeds one batch. A long query, which costs as much as a hundred short ones, is no part of a batch:
one follows each batch of those.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import msgspec

from router.types import Query, Rationale, Scores

_log = logging.getLogger("gateway.scoring")


class ScoringFailed(Exception):
    """A query could not be scored, for a reason other than the query itself."""


class Scorer(Protocol):
    """Scores queries."""

    async def score(self, query: Query) -> Scores:
        """The scores of a query; raises `ScoringFailed`."""


class Explainer(Protocol):
    """Says why queries have their scores."""

    async def explain(self, query: Query) -> Rationale:
        """Why a query has its scores; raises `ScoringFailed`."""


class DeployedScorer(Scorer, Explainer, Protocol):
    """A scorer in other processes, which may be down."""

    async def health(self) -> None:
        """Returns if it can score, else raises `Unavailable`."""


class CachingScorer:
    """Remembers the scores of the latest queries: people and agents ask the same again.

    It keeps hashes and no text.

    Args:
        scorer: scores queries that are not remembered.
        size: the most scores to remember.
    """

    def __init__(self, scorer: Scorer, size: int) -> None:
        self._scorer, self._size = scorer, size
        self._known: OrderedDict[bytes, Scores] = OrderedDict()

    async def score(self, query: Query) -> Scores:
        """The scores of a query; raises `ScoringFailed`, which is not remembered."""
        key = hashlib.blake2b(msgspec.msgpack.encode(query), digest_size=16).digest()
        scores = self._known.get(key)
        if scores is None:
            scores = await self._scorer.score(query)
            self._known[key] = scores
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return scores


_Waiting = tuple[Query, asyncio.Future[Scores]]

LONG_CHARACTERS = 16_384
"""Of the texts of a query that takes tens of milliseconds."""


def _is_long(query: Query) -> bool:
    texts = [turn.content for turn in query.messages]
    return len(query.text or "") + sum(map(len, texts)) > LONG_CHARACTERS


class BatchingScorer:
    """Scores on a worker thread; concurrent queries share a forward pass.

    Args:
        score_all: scores queries, in order; runs on the worker.
        max_batch: the most queries in a batch.
        on_batch: called with the size of each batch.
    """

    def __init__(
        self,
        score_all: Callable[[Sequence[Query]], Sequence[Scores]],
        max_batch: int,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._score_all, self._max_batch, self._on_batch = score_all, max_batch, on_batch
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring")
        self._waiting: deque[_Waiting] = deque()
        self._long: deque[_Waiting] = deque()
        self._work: asyncio.Task[None] | None = None

    async def score(self, query: Query) -> Scores:
        """The scores of a query; `ScoringFailed` for the whole batch if `score_all` fails."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Scores] = loop.create_future()
        (self._long if _is_long(query) else self._waiting).append((query, waiter))
        if self._work is None or self._work.done():
            self._work = loop.create_task(self._work_off())
        return await waiter

    def close(self) -> None:
        """Cancels all waiting queries; the results of the running batch are dropped."""
        if self._work is not None:
            self._work.cancel()
        for _, waiter in (*self._waiting, *self._long):
            waiter.cancel()
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _work_off(self) -> None:
        while self._waiting or self._long:
            for queue, most in ((self._waiting, self._max_batch), (self._long, 1)):
                if batch := self._next_batch(queue, most):
                    await self._work_on(batch)

    async def _work_on(self, batch: Sequence[_Waiting]) -> None:
        try:
            await self._compute(batch)
        except Exception as error:  # noqa: BLE001 - passed on to the callers
            _log.exception("scoring failed for a batch of %d", len(batch))
            for _, waiter in batch:
                if not waiter.done():
                    waiter.set_exception(ScoringFailed(repr(error)))
        finally:
            for _, waiter in batch:
                waiter.cancel()  # no effect on a finished one

    def _next_batch(self, queue: deque[_Waiting], most: int) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while queue and len(batch) < most:
            query, waiter = queue.popleft()
            if not waiter.done():  # otherwise its caller was cancelled
                batch.append((query, waiter))
        return batch

    async def _compute(self, batch: Sequence[_Waiting]) -> None:
        self._on_batch(len(batch))
        loop = asyncio.get_running_loop()
        queries = [query for query, _ in batch]
        results = await loop.run_in_executor(self._worker, self._score_all, queries)
        for (_, waiter), scores in list(zip(batch, results, strict=True)):
            if not waiter.done():
                waiter.set_result(scores)
