"""Queries that wait share a batch; what happens to one of them happens to it alone."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from deployments.protocol import Message
from gateway.scoring import LONG_CHARACTERS, BatchingScorer, CachingScorer, ScoringFailed
from router.types import Query, Scores
from tests.gateway.stacks import until


class Worker:
    """A classifier whose work takes until `go` is set; it keeps the texts of each batch."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.batches: list[list[str]] = []

    def score_all(self, queries: Sequence[Query]) -> list[Scores]:
        texts = [str(query.text) for query in queries]
        self.batches.append(texts)
        assert self.go.wait(10)
        if "poison" in texts:
            raise ValueError("no such text")
        return [Scores({text: 1.0}, -1.0, 0.0) for text in texts if text != "swallowed"]


@asynccontextmanager
async def busy(worker: Worker, max_batch: int = 8) -> AsyncIterator[BatchingScorer]:
    """A scorer whose worker computes the query "first" until it may go on."""
    scorer = BatchingScorer(worker.score_all, max_batch)
    first = asyncio.create_task(scorer.score(Query(text="first")))
    await until(lambda: worker.batches)
    try:
        yield scorer
        await first
    finally:
        worker.go.set()
        scorer.close()


async def ask(scorer: BatchingScorer, *texts: str) -> list[asyncio.Task[Scores]]:
    """Asks for each, so that all of them wait."""
    tasks = [asyncio.create_task(scorer.score(Query(text=text))) for text in texts]
    await asyncio.sleep(0)
    return tasks


async def outcomes(tasks: list[asyncio.Task[Scores]]) -> list[str]:
    """The text that each result is of, or the name of the error."""
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    return [
        next(iter(item.probabilities)) if isinstance(item, Scores) else type(item).__name__
        for item in found
    ]


async def test_a_lonely_query_does_not_wait() -> None:
    """With an idle worker a query is computed at once, alone."""
    worker = Worker()
    worker.go.set()
    scorer = BatchingScorer(worker.score_all, 8)

    assert await outcomes(await ask(scorer, "alone")) == ["alone"]
    assert worker.batches == [["alone"]]


async def test_those_who_wait_are_the_next_batch() -> None:
    """All that arrive during a batch are computed together, and each gets its own scores."""
    worker = Worker()
    async with busy(worker) as scorer:
        tasks = await ask(scorer, "a", "b", "c")
        worker.go.set()

        assert await outcomes(tasks) == ["a", "b", "c"]
        assert worker.batches == [["first"], ["a", "b", "c"]]


async def test_a_batch_is_not_larger_than_allowed() -> None:
    """The first to come are the first to go; the rest is the batch after."""
    worker = Worker()
    async with busy(worker, max_batch=2) as scorer:
        tasks = await ask(scorer, "a", "b", "c", "d", "e")
        worker.go.set()

        assert await outcomes(tasks) == ["a", "b", "c", "d", "e"]
        assert worker.batches == [["first"], ["a", "b"], ["c", "d"], ["e"]]


async def test_a_long_query_does_not_keep_short_ones_waiting() -> None:
    """It is computed alone, and after each long one the short ones have their turn."""
    long, longer = "x" * (LONG_CHARACTERS + 1), "y" * (LONG_CHARACTERS + 1)
    worker = Worker()
    async with busy(worker) as scorer:
        tasks = await ask(scorer, long, longer, "a", "b")
        worker.go.set()

        assert await outcomes(tasks) == [long, longer, "a", "b"]
        assert worker.batches == [["first"], [long], ["a", "b"], [longer]]


async def test_a_failure_reaches_all_of_its_batch_and_no_other() -> None:
    """An error in the worker leaves each caller of the batch without scores; the next goes on."""
    worker = Worker()
    async with busy(worker, max_batch=2) as scorer:
        tasks = await ask(scorer, "poison", "b", "c")
        worker.go.set()

        assert await outcomes(tasks) == ["ScoringFailed", "ScoringFailed", "c"]


async def test_scores_that_are_missing_are_a_failure_of_all() -> None:
    """With fewer scores than queries nobody can say whose they are."""
    worker = Worker()
    async with busy(worker) as scorer:
        tasks = await ask(scorer, "a", "swallowed")
        worker.go.set()

        assert await outcomes(tasks) == ["ScoringFailed", "ScoringFailed"]


async def test_who_leaves_while_waiting_is_not_computed() -> None:
    """A caller that is cancelled before its batch begins takes no part in it."""
    worker = Worker()
    async with busy(worker) as scorer:
        tasks = await ask(scorer, "a", "b")
        tasks[0].cancel()
        await asyncio.sleep(0)
        worker.go.set()

        assert await outcomes(tasks) == ["CancelledError", "b"]
        assert worker.batches == [["first"], ["b"]]


async def test_who_leaves_a_batch_does_not_disturb_it() -> None:
    """A caller that is cancelled while its batch is computed leaves the others their scores."""
    worker = Worker()
    scorer = BatchingScorer(worker.score_all, 8)
    tasks = await ask(scorer, "a", "b")
    await until(lambda: worker.batches)

    tasks[0].cancel()
    worker.go.set()

    assert await outcomes(tasks) == ["CancelledError", "b"]
    assert worker.batches == [["a", "b"]]


async def test_closing_leaves_nobody_waiting() -> None:
    """Whoever waits or is being computed is cancelled at once, though the worker is stuck."""
    worker = Worker()
    scorer = BatchingScorer(worker.score_all, 1)
    tasks = await ask(scorer, "a", "b")
    await until(lambda: worker.batches)

    scorer.close()

    assert await outcomes(tasks) == ["CancelledError", "CancelledError"]
    worker.go.set()


async def test_a_closed_scorer_refuses() -> None:
    """A query after the end is an error and not an endless wait."""
    scorer = BatchingScorer(Worker().score_all, 8)
    scorer.close()

    assert await outcomes(await ask(scorer, "late")) == ["ScoringFailed"]


async def test_the_sizes_of_batches_are_told() -> None:
    """Each batch is reported with the queries that it holds."""
    worker, sizes = Worker(), []
    worker.go.set()
    scorer = BatchingScorer(worker.score_all, 2, sizes.append)

    await outcomes(await ask(scorer, "a", "b", "c"))

    assert sizes == [2, 1]


async def test_an_idle_scorer_wakes_up_again() -> None:
    """After its last batch a scorer takes the next query as it took the first."""
    worker = Worker()
    worker.go.set()
    scorer = BatchingScorer(worker.score_all, 8)

    found = [await outcomes(await ask(scorer, str(number))) for number in range(3)]

    assert found == [["0"], ["1"], ["2"]]


class Counted:
    """A scorer that counts, and fails while it is told to."""

    def __init__(self) -> None:
        self.asked, self.fails = 0, False

    async def score(self, query: Query) -> Scores:
        self.asked += 1
        if self.fails:
            raise ScoringFailed("down")
        return Scores({"sql": 1.0}, 0.0, 1.0)


def said(text: str, system: str = "be brief") -> Query:
    return Query((Message("system", system), Message("user", text)))


async def test_the_same_query_is_scored_once() -> None:
    """Another word anywhere, or another role, makes another query."""
    counted = Counted()
    caching = CachingScorer(counted, 8)
    queries = [said("a"), said("a"), said("b"), said("a", "be kind"), Query(text="a")]
    for query in [*queries, *queries]:
        await caching.score(query)
    assert counted.asked == 4


async def test_the_scores_that_were_not_asked_for_the_longest_are_forgotten() -> None:
    """What is asked again stays."""
    counted = Counted()
    caching = CachingScorer(counted, 2)
    for text in ("a", "b", "a", "c", "a"):
        await caching.score(said(text))
    assert counted.asked == 3
    await caching.score(said("b"))
    assert counted.asked == 4


async def test_a_failure_is_not_remembered() -> None:
    """The next request is scored."""
    counted = Counted()
    counted.fails = True
    caching = CachingScorer(counted, 2)
    with pytest.raises(ScoringFailed):
        await caching.score(said("a"))
    counted.fails = False
    assert (await caching.score(said("a"))).probabilities == {"sql": 1.0}
