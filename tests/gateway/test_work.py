"""What one request costs, counted: the path must not rot unseen. No time is measured.

A ceiling that a change needs to raise is raised in the same commit, with the reason: each step here
is paid by every request.
"""

import asyncio
import gc
import logging
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec
import pytest

from deployments.prompt_room import Measures, PromptRoom
from deployments.protocol import Chunk, ModelRequest, Overloaded
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, Gateway, make_gateway

_WARM_UP = 3
_CODECS = {"encode", "decode", "convert", "loads", "dumps", "scanner"}


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the tasks that are made, and what is handed to other threads or back."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Counter[str]()

    def create_task(self, *arguments: Any, **options: Any) -> Any:
        self.seen["tasks"] += 1
        return super().create_task(*arguments, **options)

    def run_in_executor(self, *arguments: Any) -> Any:
        self.seen["executor"] += 1
        return super().run_in_executor(*arguments)

    def call_soon_threadsafe(self, *arguments: Any, **options: Any) -> Any:
        self.seen["threads"] += 1
        return super().call_soon_threadsafe(*arguments, **options)


class Records(logging.Handler):
    """Counts what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.seen += 1


async def asked(gateway: Gateway, body: dict[str, Any]) -> int:
    """Asks as a server would, without one; returns the messages that were sent."""
    data, sent = msgspec.json.encode(body), 0
    arrived, left = [{"type": "http.request", "body": data}], asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not arrived:
            await left.wait()
        return arrived.pop()

    async def send(_message: Any) -> None:
        nonlocal sent
        sent += 1

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [(b"content-type", b"application/json")],
    }
    await gateway.app(scope, receive, send)
    return sent


def counted(body: Callable[[int], dict[str, Any]]) -> Counter[str]:
    """The work of one request, after a few like it."""
    loop, records, calls = CountingLoop(), Records(), Counter[str]()

    def profile(_frame: Any, event: str, callee: Any) -> None:
        calls["calls"] += event == "call"
        if event == "c_call" and callee.__name__ in _CODECS:
            owner = getattr(callee, "__module__", None) or type(callee.__self__).__module__
            calls["codecs"] += owner.startswith(("msgspec", "json", "_json"))

    async def measured() -> None:
        gateway = make_gateway()
        for number in range(_WARM_UP):
            await asked(gateway, body(number))
        loop.seen.clear()
        records.seen = 0
        sys.setprofile(profile)
        try:
            calls["sends"] = await asked(gateway, body(_WARM_UP))
        finally:
            sys.setprofile(None)

    log = logging.getLogger("gateway")
    level, handlers, propagate = log.level, log.handlers[:], log.propagate
    # What another test set up is not counted, on pytest's own handler either.
    log.handlers, log.propagate = [records], False
    log.setLevel(logging.INFO)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(measured())
    finally:
        log.setLevel(level)
        log.handlers, log.propagate = handlers, propagate
    return Counter({**loop.seen, **calls, "records": records.seen})


NAMED = CHAT | {"model": "sql-model"}


def worded(number: int) -> dict[str, Any]:
    """A request for `auto` whose scores are not remembered."""
    return CHAT | {"messages": [{"role": "user", "content": f"please SELECT {number}"}]}


BODIES: dict[str, Callable[[int], dict[str, Any]]] = {
    "named": lambda _: NAMED,
    "auto": worded,
    "auto again": lambda _: CHAT,
    "streamed": lambda _: NAMED | {"stream": True},
}

CEILINGS = {
    "named": {"tasks": 4, "codecs": 4, "sends": 2, "records": 1, "calls": 680},
    "auto": {
        "tasks": 5,
        "executor": 1,
        "threads": 1,
        "codecs": 5,
        "sends": 2,
        "records": 1,
        "calls": 850,
    },
    "auto again": {"tasks": 4, "codecs": 5, "sends": 2, "records": 1, "calls": 715},
    "streamed": {"tasks": 3, "codecs": 7, "sends": 5, "records": 1, "calls": 710},
}
"""`codecs`: JSON or MessagePack read or written, the fake model's own included; `calls`: Python
functions called, the event loop's included, and of a stream a timeout for each chunk; `threads`:
hand-overs from other threads."""


@pytest.mark.parametrize("name", BODIES)
def test_a_request_costs_no_more_than_this(name):
    """Nothing is above its ceiling, and nothing that is not listed happens at all."""
    found = counted(BODIES[name])
    above = {step: count for step, count in found.items() if count > CEILINGS[name].get(step, 0)}
    assert above == {}, f"all steps: {dict(found)}"


class BusyBackend(FakeBackend):
    """Refuses every request, with an error of its own for each."""

    async def complete(self, request: ModelRequest) -> Chunk:
        raise Overloaded(request.model, queued=1, retry_after_seconds=1.0)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        raise Overloaded(request.model, queued=1, retry_after_seconds=1.0)
        yield


class CrampedBackend(FakeBackend):
    """Tells that it has room for a few words."""

    def __post_init__(self) -> None:
        self.room = PromptRoom(10, Measures(8, 8))


LONG = {"messages": [{"role": "user", "content": "SELECT " * 10_000}]}

CYCLES: dict[str, tuple[type[FakeBackend], dict[str, Any]]] = {
    "named": (FakeBackend, NAMED),
    "streamed": (FakeBackend, NAMED | {"stream": True}),
    "passed over": (BusyBackend, CHAT),
    "passed over, streamed": (BusyBackend, CHAT | {"stream": True}),
    "refused by the model": (BusyBackend, NAMED),
    "refused by the model, streamed": (BusyBackend, NAMED | {"stream": True}),
    "refused": (FakeBackend, NAMED | {"temperature": "warm"}),
    "long": (FakeBackend, NAMED | LONG),
    "without room": (CrampedBackend, NAMED | LONG),
}
"""The kind of a model, and what it is asked."""


@pytest.mark.parametrize("name", CYCLES)
async def test_a_request_leaves_nothing_to_the_garbage_collector(name):
    """It runs rarely in a gateway, and a cycle would keep the body of its request until then."""
    kind, body = CYCLES[name]
    gateway, requests = make_gateway(sql=kind("sql-model")), 5
    for _ in range(_WARM_UP):
        await asked(gateway, body)
    gc.collect()
    gc.disable()
    try:
        for _ in range(requests):
            await asked(gateway, body)
        left = gc.collect()
    finally:
        gc.enable()

    assert left < requests
