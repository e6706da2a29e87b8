"""Sends requests in random order, so many at a time, and keeps each outcome as it comes.

Prompts are drawn in an order of the seed's, and the arms of each prompt in an order of its own, so
that no arm always goes first, finds a warm cache, or runs while the machine is busy otherwise.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence

from lab.comparison.client import ChatRequest, Unreachable
from lab.comparison.errors import ComparisonError
from lab.comparison.outcomes import Outcome, Timing

MOST_UNREACHABLE = 20
"""Connections in a row that failed: then the server is gone, and that is no answer of its own."""

_MOST_FAILED = 3
"""Prompts that a model may fail before it is warm: `auto` may meet an unhealthy specialist."""

Send = Callable[[ChatRequest], Awaitable[Outcome]]


def shuffled(requests: Iterable[ChatRequest], seed: int) -> list[ChatRequest]:
    """The requests in random order: prompt by prompt, and each prompt's arms among themselves."""
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
    """Sends each model the first prompts of its arms until it has answered some; none counts.

    Args:
        requests: of the run to come, in its order.
        send: sends a request.
        rounds: answers per model.

    Raises:
        ComparisonError: a model answers none of a few: its arm would measure nothing.
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
        requests: in the order in which they start.
        send: sends a request.
        keep: takes each outcome as it comes.
        concurrency: requests at a time.

    Raises:
        ComparisonError: the server is gone. What it last did not answer is not kept, so that the
            run can go on when it is back.
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
    """Requests that found no connection, by server, until it answers again."""

    def __init__(self, keep: Callable[[Outcome], object]) -> None:
        self._keep = keep
        self._lost: dict[str, list[Outcome]] = {}

    def add(self, request: ChatRequest, error: Unreachable) -> None:
        """One more.

        Raises:
            ComparisonError: they are so many that the server is gone; none of them is kept.
        """
        of_server = self._lost.setdefault(request.endpoint.base_url, [])
        failed = Timing(None, 0.0)
        reason = f"no answer: {error}"
        of_server.append(Outcome(request.row, request.arm, request.model, "", failed, error=reason))
        if len(of_server) >= MOST_UNREACHABLE:
            raise ComparisonError(
                f"{request.endpoint.base_url} no longer answers ({error}); what it answered is "
                "kept: start it and give the same command again"
            ) from error

    def server_answered(self, request: ChatRequest) -> None:
        """The server answers: what it did not answer before has failed."""
        for outcome in self._lost.pop(request.endpoint.base_url, ()):
            self._keep(outcome)

    def keep_all(self) -> None:
        """At the end of the run: these have failed too."""
        for of_server in self._lost.values():
            for outcome in of_server:
                self._keep(outcome)
