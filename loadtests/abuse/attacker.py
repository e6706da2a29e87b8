"""The process of hostile clients, which shares no interpreter with the polite one.

    python -m loadtests.abuse.attacker

writes the line `ready`, reads an `Order`, a line of JSON, and writes the line `begun` when all its
clients are at it. In the end it writes its `Spoils`. It ends when the order's time is over, and at
once when its input is closed. Keys come with the order, since anybody can read a process's
arguments. It makes way for the measured processes (`nice`).
"""

import asyncio
import json
import os
import resource
import sys
import time
from contextlib import suppress
from dataclasses import asdict

import uvloop

from loadtests.abuse.attacks import ATTACKS
from loadtests.abuse.hostile import Attacker, Order, Spoils

READY, BEGUN = "ready", "begun"
"""What the process writes when it can begin, and when it has."""

_NICENESS = 5


async def carried_out(order: Order) -> Spoils:
    """Runs the attack of an order."""

    def begin() -> None:
        print(BEGUN, flush=True)

    attacker, began = Attacker(order, begin), time.process_time()
    facts = await ATTACKS[order.abuse].act(attacker)
    return Spoils(dict(attacker.seen), facts or {}, round(time.process_time() - began, 3))


async def _while_wanted(order: Order) -> Spoils:
    this = asyncio.current_task()
    if this is not None:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), this.cancel)
    return await carried_out(order)


def main() -> None:
    """Runs one process."""
    os.nice(_NICENESS)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(READY, flush=True)
    order = Order.from_json(sys.stdin.readline())
    with suppress(asyncio.CancelledError):
        print(json.dumps(asdict(uvloop.run(_while_wanted(order)))), flush=True)


if __name__ == "__main__":
    main()
