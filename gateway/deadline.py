"""The time limit of an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployments.protocol import DeadlineExceeded


@asynccontextmanager
async def within(seconds: float, until: float, model: str) -> AsyncIterator[None]:
    """Limits the duration of a block; cancels it when the time is up.

    Args:
        seconds: the limit as the operator wrote it, for the error.
        until: when it ends, on the event loop's clock.
        model: the model that is waited for, for the error.

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
