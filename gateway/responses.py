"""Sends whole JSON responses, and cancels work when the client disconnects."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec
from starlette.types import Message, Receive, Send

from gateway.errors import ClientGone, ErrorResponse
from gateway.record import Record

JSON: Mapping[str, str] = {"content-type": "application/json"}

LAST_SEND_SECONDS = 0.5
"""How long sending the last byte may take after the client disconnected."""


async def send_bytes(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Sends a whole response and adds its content-length."""
    raw = {**headers, "content-length": str(len(body))}
    await send({"type": "http.response.start", "status": status, "headers": _encoded(raw.items())})
    await send({"type": "http.response.body", "body": body})


async def send_json(
    send: Send, value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Sends a value as JSON."""
    typed = {**JSON, **(headers or {})}
    await send_bytes(send, status, typed, msgspec.json.encode(value))


async def send_error(send: Send, response: ErrorResponse) -> None:
    """Sends an error."""
    await send_json(send, response.body, response.status, response.headers)


async def while_connected(
    receive: Receive, record: Record, work: Callable[[], Awaitable[None]]
) -> None:
    """Awaits the work; cancels it when the client disconnects.

    The request's body must have been read. `work` has always ended when this returns.

    Raises:
        ClientGone: the client disconnected before the response was complete.
    """
    task = asyncio.ensure_future(work())
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if (
            not task.done() and record.response_complete
        ):  # servers send "disconnect" after the last byte too
            await asyncio.wait((task,), timeout=LAST_SEND_SECONDS)
        if not task.done():
            raise ClientGone("The client disconnected before its answer was complete.")
        await task
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
