"""The time limit of an answer: the operator's, or a shorter one that the client asks for.

`x-request-timeout: SECONDS` ends the work on a request after that time, streams too. OpenAI's and
Anthropic's clients send of themselves how long they wait for the next byte; without one they hang
up. So much time there is for a whole answer, and for the beginning of a stream.
"""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import Scope

from deployments.protocol import DeadlineExceeded
from gateway.errors import InvalidValue

_ASKED = b"x-request-timeout"
_PATIENCE = (b"x-stainless-read-timeout", b"x-stainless-timeout")
"""Of OpenAI's client in Python; of the others."""
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""Python reads more as a number, such as 1_0."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long a request may take, in seconds.

    Attributes:
        answer: until its last byte.
        beginning: until the first byte of a stream; at most `answer`.
    """

    answer: float
    beginning: float


def time_limits(scope: Scope, most: float, *, stream: bool) -> TimeLimits:
    """The limits of a request.

    Args:
        scope: has the client's headers.
        most: the operator's limit.
        stream: whether the client wants a stream.

    Raises:
        InvalidValue: `x-request-timeout` is no number of seconds.
    """
    headers = dict(scope["headers"])
    answer = most
    if (asked := headers.get(_ASKED)) is not None:
        seconds = _seconds(asked)
        if seconds is None:
            text = ascii(asked.decode("latin-1")[:80])
            raise InvalidValue(f"x-request-timeout: {text} is no number of seconds above 0.")
        answer = min(most, seconds)
    known = [seconds for of in _PATIENCE if (seconds := _seconds(headers.get(of, b"")))]
    beginning = min(answer, *known) if known else answer
    return TimeLimits(answer if stream else beginning, beginning)


def _seconds(value: bytes) -> float | None:
    if not _NUMBER.fullmatch(value):
        return None
    seconds = float(value)
    return seconds if math.isfinite(seconds) and seconds > 0 else None


@asynccontextmanager
async def within(seconds: float, until: float, model: Callable[[], str]) -> AsyncIterator[None]:
    """Limits the duration of a block; cancels it when the time is up.

    Args:
        seconds: the limit as the operator wrote it, for the error.
        until: when it ends, on the event loop's clock.
        model: tells which model is waited for, for the error.

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
        raise DeadlineExceeded(model(), seconds) from None
