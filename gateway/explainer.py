"""Explains scores on a thread of its own, so that no routed request waits for an explanation.

Rule: one explanation at a time, since each costs many times a classification.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway.scoring import ScoringFailed
from router.types import Query, Rationale

_log = logging.getLogger("gateway.explainer")


class ThreadExplainer:
    """Explains on a worker thread.

    Args:
        rationale: says why a query has its scores; runs on the worker.
    """

    def __init__(self, rationale: Callable[[Query], Rationale]) -> None:
        self._rationale = rationale
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="explaining")

    async def explain(self, query: Query) -> Rationale:
        """Why a query has its scores; `ScoringFailed` if `rationale` fails."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._worker, self._rationale, query)
        except Exception as error:
            _log.exception("an explanation failed")
            raise ScoringFailed(repr(error)) from error

    def close(self) -> None:
        """Cancels all waiting queries; the result of the running one is dropped."""
        self._worker.shutdown(wait=False, cancel_futures=True)
