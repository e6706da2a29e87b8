"""One `x-request-id` in an answer, the gateway's own.

Ray Serve takes a client's `x-request-id` for its own logs and adds it to the answer, beside the
gateway's. So what a client calls its request goes on as `x-client-request-id`, and of an answer's
ids the first stays. Serve puts this around its HTTP servers, since `cli/ray_environment.py` and the
chart name `middlewares` in a variable.
"""

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLIENT_ID = b"x-client-request-id"
_ID = b"x-request-id"


class OwnRequestIds:
    """Around all that Serve puts around the gateway."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_one(message: Message) -> None:
            if message["type"] == "http.response.start":
                ids = [pair for pair in message["headers"] if pair[0] == _ID]
                if len(ids) > 1:
                    others = [pair for pair in message["headers"] if pair[0] != _ID]
                    message = {**message, "headers": [*others, ids[0]]}
            await send(message)

        await self._app({**scope, "headers": _renamed(scope["headers"])}, receive, send_one)


def _renamed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers without `x-request-id`, which is the client's other name of its request."""
    names = [name for name, _ in headers]
    if _ID not in names:
        return headers
    kept = [pair for pair in headers if pair[0] != _ID]
    if CLIENT_ID not in names:
        kept.append((CLIENT_ID, dict(headers)[_ID]))
    return kept


def middlewares() -> list[Middleware]:
    """For Serve's variable `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`."""
    return [Middleware(OwnRequestIds)]
