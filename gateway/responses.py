"""Sends whole JSON responses, and cancels work when the client disconnects."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec
from starlette.types import Message, Receive, Send

from gateway.errors import ClientGone
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


async def while_connected(
    receive: Receive, record: Record, work: Callable[[], Awaitable[None]]
) -> None:
    """Awaits the work; cancels it when the client disconnects.

    The request's body must have been read. The work runs in the caller's own task: another task
    per request would cost more than all the rest that happens here.

    Raises:
        ClientGone: the client disconnected before the response was complete.
    """
    task = asyncio.current_task()
    assert task is not None  # this is a coroutine
    gone = False

    async def watch() -> None:
        nonlocal gone
        await _disconnected(receive)
        if record.response_complete:  # servers send "disconnect" after the last byte too
            await asyncio.sleep(LAST_SEND_SECONDS)
        gone = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        await work()
    except (Exception, asyncio.CancelledError):
        # `uncancel` returns how many others cancelled the task, such as the server.
        if not gone or task.uncancel():
            raise
        raise ClientGone("The client disconnected before its answer was complete.") from None
    finally:
        watcher.cancel()


async def _disconnected(receive: Receive) -> None:
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
