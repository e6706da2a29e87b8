"""Each abuse: what its clients do, how many they are, and what it is done to."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from loadtests.abuse.forgery import foreign_ids, forged_scores
from loadtests.abuse.hostile import Attacker

_HOLD_PAUSE_SECONDS = 5.0
"""Before one whose connection was cut opens another."""
_CHURN_PAUSE_SECONDS = 0.02
_DRIP_SECONDS, _DRIP_LENGTH = 1.0, 100_000
_PROMPT_BYTES = 3_800_000
"""Just below the default of `gateway.max_body_bytes`."""
_LEAVE_SECONDS = 0.05
_READ_SECONDS, _SMALLEST_BUFFER = 0.05, 1
_WORDS = "the river was wide and nobody on the other bank had seen a boat since spring "

Kind = Literal["fake", "llama"]


@dataclass(frozen=True)
class Attack:
    """One abuse.

    Attributes:
        title: in the table; `{clients}` is filled in.
        clients: at once.
        act: does it for the order's time, or as long as it takes; returns counts for bars.
        stack: what it is done to, where no running stack is named.
    """

    title: str
    clients: int
    act: Callable[[Attacker], Awaitable[dict[str, int] | None]]
    stack: Kind = "fake"


async def _half_heads(attacker: Attacker) -> None:
    async def act() -> str:
        async with attacker.connected() as connection:
            connection.writer.write(attacker.head("POST", "/v1/chat/completions"))
            return await connection.end()

    await attacker.flood(act, _HOLD_PAUSE_SECONDS)


async def _slow_bodies(attacker: Attacker) -> None:
    async def act() -> str:
        async with attacker.connected() as connection:
            connection.writer.write(attacker.post(b"{", _DRIP_LENGTH))
            while True:
                try:
                    async with asyncio.timeout(_DRIP_SECONDS):
                        return await connection.end()
                except TimeoutError:
                    connection.writer.write(b" ")

    await attacker.flood(act, _HOLD_PAUSE_SECONDS)


async def _idle(attacker: Attacker) -> None:
    async def act() -> str:
        async with attacker.connected() as connection:
            return await connection.end()

    await attacker.flood(act, _HOLD_PAUSE_SECONDS)


async def _open_and_close(attacker: Attacker) -> None:
    async def act() -> str:
        async with attacker.connected():
            return "opened"

    await attacker.flood(act, _CHURN_PAUSE_SECONDS)


async def _huge_prompts(attacker: Attacker) -> None:
    request = attacker.chat(_WORDS * (_PROMPT_BYTES // len(_WORDS)))

    async def act() -> str:
        async with attacker.connected() as connection:
            return str(await connection.ask(request))

    await attacker.flood(act)


def _getting(path: str) -> Callable[[Attacker], Awaitable[None]]:
    async def act(attacker: Attacker) -> None:
        request = attacker.head("GET", path) + b"\r\n"
        await attacker.flood(lambda: attacker.keep_asking(request))

    return act


async def _requests(attacker: Attacker) -> None:
    request = attacker.chat("What do you say?")
    await attacker.flood(lambda: attacker.keep_asking(request))


async def _hang_ups(attacker: Attacker) -> None:
    request = attacker.chat("What do you say?", stream=True)

    async def act() -> str:
        async with attacker.connected() as connection:
            connection.writer.write(request)
            await asyncio.sleep(random.uniform(0, _LEAVE_SECONDS))
        return "left"

    await attacker.flood(act)


async def _slow_readers(attacker: Attacker) -> None:
    request = attacker.chat("What do you say?", stream=True)
    loop = asyncio.get_running_loop()

    async def act() -> str:
        async with attacker.line(_SMALLEST_BUFFER) as line:
            await loop.sock_sendall(line, request)
            while await loop.sock_recv(line, 1):  # noqa: ASYNC110 - it is slow on purpose
                await asyncio.sleep(_READ_SECONDS)
        return "closed"

    await attacker.flood(act)


ATTACKS: dict[str, Attack] = {
    "ids": Attack("foreign ids", 1, foreign_ids),
    "scores": Attack("forged scores", 4, forged_scores),
    "heads": Attack("{clients:,} half heads", 4300, _half_heads),
    "bodies": Attack("{clients:,} bodies, a byte a second", 1200, _slow_bodies),
    "idle": Attack("{clients:,} idle connections", 5000, _idle),
    "churn": Attack("{clients} that open and close connections", 64, _open_and_close),
    "metrics": Attack("{clients} that ask /metrics", 24, _getting("/metrics")),
    "evidence": Attack("{clients} that ask /v1/niche/evidence", 24, _getting("/v1/niche/evidence")),
    "ready": Attack("{clients} that ask /readyz", 24, _getting("/readyz")),
    "requests": Attack("{clients} requests at once of one key", 64, _requests),
    "hangups": Attack("{clients} that hang up", 16, _hang_ups),
    "readers": Attack("{clients} that read a byte at a time", 64, _slow_readers),
    "prompts": Attack("{clients} prompts of 3.8 MB at once", 24, _huge_prompts, "llama"),
}
