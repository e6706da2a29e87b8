"""Answers as bytes: server-sent events, and the gateway's own words in what a model sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from deployments.protocol import DeadlineExceeded
from gateway.dialects.schemas import Niche

DONE = b"data: [DONE]\n\n"


def sse(data: bytes) -> bytes:
    """A server-sent event; JSON has no raw line breaks, so one `data:` line holds it."""
    return b"data: %b\n\n" % data


def with_niche(data: bytes, niche: Niche) -> bytes:
    """A model's JSON object with the key `niche` added; nothing of it is decoded."""
    return b'%b,"niche":%b}' % (data[:-1], msgspec.json.encode(niche))


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
