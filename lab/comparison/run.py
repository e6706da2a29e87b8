"""Requests in random order, so many at a time, each outcome kept as it comes.

Prompts are drawn in an order of the seed's, and the arms of each prompt in an order of its own, so
that no arm always goes first, finds a warm cache, or runs while the machine is busy otherwise.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence

from lab.comparison.client import Ask, Unreachable
from lab.comparison.errors import ComparisonError
from lab.comparison.outcomes import Outcome, Timing

MOST_UNREACHABLE = 20
"""Requests in a row to which nobody listened: then the server is gone, and that is no answer."""

_FAULTS = 3
"""Prompts that a model may fail before it is warm: `auto` may meet a specialist that is ill."""

Asking = Callable[[Ask], Awaitable[Outcome]]


def ordered(asks: Iterable[Ask], seed: int) -> list[Ask]:
    """The requests in random order: prompt by prompt, and each prompt's arms among themselves."""
    rng = random.Random(seed)
    of_rows: dict[str, list[Ask]] = {}
    for ask in asks:
        of_rows.setdefault(ask.row, []).append(ask)
    rows = list(of_rows.values())
    rng.shuffle(rows)
    for row in rows:
        rng.shuffle(row)
    return [ask for row in rows for ask in row]


async def warm_up(asks: Sequence[Ask], ask_one: Asking, rounds: int) -> None:
    """Asks each model first prompts of its arms until it has answered some, and forgets them.

    Args:
        asks: of the run to come, in its order.
        ask_one: makes a request.
        rounds: answers per model.

    Raises:
        ComparisonError: a model answers none of a few: its arm would measure nothing.
    """
    of_models: dict[tuple[str, str], list[Ask]] = {}
    for ask in asks:
        of_models.setdefault((ask.endpoint.base_url, ask.model), []).append(ask)
    for (url, model), first in of_models.items():
        left, errors = rounds, []
        for ask in first[: rounds + _FAULTS]:
            error = await _error_of(ask, ask_one)
            left -= error is None
            errors += [error] if error else []
            if not left:
                break
        if left == rounds and errors:
            raise ComparisonError(
                f"{url}: {model}: {errors[0]} (and none of {len(errors)} requests was answered)"
            )


async def _error_of(ask: Ask, ask_one: Asking) -> str | None:
    try:
        return (await ask_one(ask)).error
    except Unreachable as error:
        return str(error)


async def ask_all(
    asks: Sequence[Ask], ask_one: Asking, keep: Callable[[Outcome], object], concurrency: int
) -> None:
    """Makes all requests.

    Args:
        asks: in the order in which they start.
        ask_one: makes a request.
        keep: is told each outcome as it comes.
        concurrency: requests at a time.

    Raises:
        ComparisonError: the server is gone. What it last did not answer is not kept, so that the
            run can go on when it is back.
    """
    waiting, silence = iter(asks), _Silence(keep)

    async def work() -> None:
        for ask in waiting:
            try:
                outcome = await ask_one(ask)
            except Unreachable as error:
                silence.lost(ask, error)
            else:
                silence.broken(ask)
                keep(outcome)

    workers = [asyncio.create_task(work()) for _ in range(min(concurrency, len(asks)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    silence.over()


class _Silence:
    """Requests to which nobody listened, by server, until it is heard of again."""

    def __init__(self, keep: Callable[[Outcome], object]) -> None:
        self._keep = keep
        self._lost: dict[str, list[Outcome]] = {}

    def lost(self, ask: Ask, error: Unreachable) -> None:
        """One more.

        Raises:
            ComparisonError: they are so many that the server is gone; none of them is kept.
        """
        of_server = self._lost.setdefault(ask.endpoint.base_url, [])
        told = f"no answer: {error}"
        of_server.append(Outcome(ask.row, ask.arm, ask.model, "", Timing(None, 0.0), error=told))
        if len(of_server) >= MOST_UNREACHABLE:
            raise ComparisonError(
                f"{ask.endpoint.base_url} no longer answers ({error}); what it answered is kept: "
                "start it and give the same command again"
            ) from error

    def broken(self, ask: Ask) -> None:
        """The server answers: what it did not answer before has failed."""
        for outcome in self._lost.pop(ask.endpoint.base_url, ()):
            self._keep(outcome)

    def over(self) -> None:
        """Nothing more is asked: so have the last ones."""
        for of_server in self._lost.values():
            for outcome in of_server:
                self._keep(outcome)
