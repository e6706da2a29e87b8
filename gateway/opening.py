"""Opens a request's streams, one per choice, all at the model that the first one found, within the
deadlines."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from deployments.protocol import DeadlineExceeded, Prompt
from gateway.streaming import close_answers
from router.dispatch import Answer, Dispatcher
from router.types import Decision


@asynccontextmanager
async def within(seconds: float, until: float, model: str) -> AsyncIterator[None]:
    """Bounds a block in time; leaving it late cancels what it awaits.

    Args:
        seconds: the limit as the operator wrote it, for the error.
        until: when it ends, on the event loop's clock.
        model: who is waited for.

    Raises:
        DeadlineExceeded: the time is up.
    """
    limit = asyncio.timeout_at(until)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineExceeded(model, seconds) from None


async def open_answers(
    dispatcher: Dispatcher, decision: Decision, prompts: Sequence[Prompt]
) -> list[Answer]:
    """The begun answers of all prompts, in order.

    The first prompt finds the model; the others follow it there, for a response has one `model`.

    Raises:
        BackendError: one could not begin; the others are closed.
    """
    first = await dispatcher.open(decision, prompts[0])
    pinned = replace(decision, candidates=(first.model,))
    tasks = [asyncio.create_task(dispatcher.open(pinned, prompt)) for prompt in prompts[1:]]
    try:
        return [first, *(await asyncio.gather(*tasks))]
    except BaseException:
        for task in tasks:
            task.cancel()
        opened = await asyncio.gather(*tasks, return_exceptions=True)
        await close_answers([first, *(one for one in opened if isinstance(one, Answer))])
        raise
