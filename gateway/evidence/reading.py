"""A request's body as one of the wire types."""

from typing import TypeVar

import msgspec
from starlette.requests import Request

from gateway.body import decode_object, read_body
from gateway.complaints import complaint
from gateway.config import GatewaySection

Body = TypeVar("Body")


async def read_as(request: Request, kind: type[Body], limits: GatewaySection) -> Body:
    """Reads and validates a body.

    Raises:
        GatewayError: it is no such thing; the error names the place.
    """
    seconds = limits.body_timeout_seconds
    data = await read_body(request.scope, request.receive, limits.max_body_bytes, seconds)
    raw = decode_object(data)
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise complaint(str(error), raw) from None
