"""Sends requests concurrently in random order, and stores each outcome at once.

The seed gives a random order of prompts and, for each prompt, of arms, so that no arm always goes
first, profits from a warm cache, or suffers from other load on the machine.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence

from lab.comparison.client import ChatRequest, Unreachable
from lab.comparison.errors import ComparisonError
from lab.comparison.outcomes import Outcome, Timing

MOST_UNREACHABLE = 20
"""After this many failed connections in a row the server counts as gone; such failures are not
outcomes."""

_MOST_FAILED = 3
"""Failures allowed during warm-up: `auto` may meet an unhealthy specialist."""

Send = Callable[[ChatRequest], Awaitable[Outcome]]


def shuffled(requests: Iterable[ChatRequest], seed: int) -> list[ChatRequest]:
    """Shuffles the prompts, and each prompt's arms."""
    rng = random.Random(seed)
    of_rows: dict[str, list[ChatRequest]] = {}
    for request in requests:
        of_rows.setdefault(request.row, []).append(request)
    rows = list(of_rows.values())
    rng.shuffle(rows)
    for row in rows:
        rng.shuffle(row)
    return [request for row in rows for request in row]


async def warm_up(requests: Sequence[ChatRequest], send: Send, rounds: int) -> None:
    """Warms each model up with the first prompts of its arms; these answers are discarded.

    Args:
        requests: the requests of the run, in its order.
        send: sends a request.
        rounds: the number of answers per model.

    Raises:
        ComparisonError: a model answers none of the first requests, so its arm cannot be measured.
    """
    of_models: dict[tuple[str, str], list[ChatRequest]] = {}
    for request in requests:
        of_models.setdefault((request.endpoint.base_url, request.model), []).append(request)
    for (url, model), first in of_models.items():
        left, errors = rounds, []
        for request in first[: rounds + _MOST_FAILED]:
            error = await _error_of(request, send)
            left -= error is None
            errors += [error] if error else []
            if not left:
                break
        if left == rounds and errors:
            raise ComparisonError(
                f"{url}: {model}: {errors[0]} (and none of {len(errors)} requests was answered)"
            )


async def _error_of(request: ChatRequest, send: Send) -> str | None:
    try:
        return (await send(request)).error
    except Unreachable as error:
        return str(error)


async def send_all(
    requests: Sequence[ChatRequest],
    send: Send,
    keep: Callable[[Outcome], object],
    concurrency: int,
) -> None:
    """Sends all requests.

    Args:
        requests: the requests, in sending order.
        send: sends a request.
        keep: called with each outcome.
        concurrency: concurrent requests.

    Raises:
        ComparisonError: the server is gone. The last failures are not stored, so that the run can
            resume when the server is back.
    """
    waiting, unreachable = iter(requests), _UnreachableRequests(keep)

    async def work() -> None:
        for request in waiting:
            try:
                outcome = await send(request)
            except Unreachable as error:
                unreachable.add(request, error)
            else:
                unreachable.server_answered(request)
                keep(outcome)

    workers = [asyncio.create_task(work()) for _ in range(min(concurrency, len(requests)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    unreachable.keep_all()


class _UnreachableRequests:
    """Requests without a connection, by server, until the server answers again."""

    def __init__(self, keep: Callable[[Outcome], object]) -> None:
        self._keep = keep
        self._lost: dict[str, list[Outcome]] = {}

    def add(self, request: ChatRequest, error: Unreachable) -> None:
        """Adds a failed request.

        Raises:
            ComparisonError: there are so many that the server counts as gone; none is stored.
        """
        of_server = self._lost.setdefault(request.endpoint.base_url, [])
        failed = Timing(None, 0.0)
        reason = f"no answer: {error}"
        of_server.append(Outcome(request.row, request.arm, request.model, "", failed, error=reason))
        if len(of_server) >= MOST_UNREACHABLE:
            raise ComparisonError(
                f"{request.endpoint.base_url} no longer answers ({error}); earlier answers are "
                "stored: start it and run the same command again"
            ) from error

    def server_answered(self, request: ChatRequest) -> None:
        """The server answers again, so its earlier failures are outcomes."""
        for outcome in self._lost.pop(request.endpoint.base_url, ()):
            self._keep(outcome)

    def keep_all(self) -> None:
        """At the end of the run, the remaining failures are outcomes too."""
        for of_server in self._lost.values():
            for outcome in of_server:
                self._keep(outcome)
