"""Servers on loopback, for commands that ask one."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tests.gateway.stacks import Gateway


@contextmanager
def served(app: Any) -> Iterator[str]:
    """An ASGI application in a thread, on a port that the system chose; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, ws="none", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving(gateway: Gateway) -> Iterator[str]:
    """A gateway, as `served` serves it."""
    with served(gateway.app) as url:
        yield url
