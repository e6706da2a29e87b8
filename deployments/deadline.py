"""The time limits of a request, for the awaits of an engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from deployments.protocol import DeadlineExceeded, ModelRequest

Within = Callable[[], AbstractAsyncContextManager[None]]
"""Limits one await by the request's deadline. Never around a `yield`: the timeout could fire in
the consumer."""


def within_deadline(request: ModelRequest) -> Within:
    """The limit of a request that begins now; what it limits raises `DeadlineExceeded`."""
    allowed = request.deadline_seconds
    deadline = None if allowed is None else asyncio.get_running_loop().time() + allowed

    @asynccontextmanager
    async def within() -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(request.model, allowed or 0.0) from error

    return within


@asynccontextmanager
async def within_first_token(request: ModelRequest) -> AsyncIterator[Callable[[], None]]:
    """Limits the block by the request's `first_token_seconds`, until what it gives is called: when
    something was said.

    Raises:
        DeadlineExceeded: nothing was said in time.
    """
    limit = asyncio.timeout(request.first_token_seconds)
    try:
        async with limit:
            yield lambda: limit.reschedule(None)
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineExceeded(request.model, request.first_token_seconds or 0.0) from None
