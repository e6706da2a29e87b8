"""Explanations on a thread of their own."""

import asyncio
import threading

import pytest

from gateway.explainer import ThreadExplainer
from gateway.scoring import ScoringFailed
from router.types import Form, Query, Rationale

TOLD = Rationale(form=Form("plain", 0.9))
QUERY = Query(text="SELECT")


async def test_an_explanation_leaves_the_event_loop_free():
    """It runs on another thread, and the loop goes on meanwhile."""
    go, here = threading.Event(), threading.get_ident()
    threads = []

    def rationale(query):
        threads.append(threading.get_ident())
        assert go.wait(10)
        return TOLD

    explainer = ThreadExplainer(rationale)
    task = asyncio.create_task(explainer.explain(QUERY))
    await asyncio.sleep(0)
    go.set()
    assert await task == TOLD
    assert here not in threads


async def test_one_explanation_runs_at_a_time():
    """The second one waits for the first."""
    running = []

    def rationale(query):
        running.append(1)
        assert sum(running) == 1
        running.append(-1)
        return TOLD

    explainer = ThreadExplainer(rationale)
    found = await asyncio.gather(*(explainer.explain(QUERY) for _ in range(20)))
    assert found == [TOLD] * 20


async def test_a_failure_names_its_cause():
    """As the one error that the preview expects."""

    def rationale(query):
        raise ZeroDivisionError

    with pytest.raises(ScoringFailed, match="ZeroDivisionError"):
        await ThreadExplainer(rationale).explain(QUERY)


async def test_closing_drops_those_that_wait():
    """The running one ends by itself."""
    go = threading.Event()
    explainer = ThreadExplainer(lambda query: go.wait(10))
    tasks = [asyncio.create_task(explainer.explain(QUERY)) for _ in range(2)]
    await asyncio.sleep(0.01)
    explainer.close()
    go.set()
    await asyncio.wait(tasks, timeout=5)
    assert tasks[1].cancelled()
