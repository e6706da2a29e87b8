"""A limit of tokens for which a context has no room beside the prompt: vLLM refuses it. Without
importing vLLM."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from deployments.engines._vllm_requests import VllmRequest
from deployments.protocol import InvalidPrompt, ModelRequest


class Server(Protocol):
    """What answers: `VllmServer`."""

    context_tokens: int

    def events(self, request: ModelRequest, body: bytes) -> AsyncGenerator[bytes]:
        """See `VllmServer`."""

    async def count(self, request: ModelRequest, body: bytes) -> int:
        """See `VllmServer`."""


class FittedAnswer:
    """The events of an answer, whose limit is lowered to the room that there is, if it may be.

    Attributes:
        not_applied: the client's parameter, once that was done to it.
    """

    def __init__(self, server: Server, request: ModelRequest, asked: VllmRequest) -> None:
        self._server, self._request, self._asked = server, request, asked
        self.not_applied: tuple[str, ...] = ()

    async def events(self) -> AsyncGenerator[bytes]:
        """See `VllmServer`. Only what was refused is counted, since that takes a while."""
        body, begun = self._asked.body, False
        try:
            async with aclosing(self._server.events(self._request, body)) as events:
                async for event in events:
                    begun = True
                    yield event
            return
        except InvalidPrompt:
            fitting = None if begun else await self._fitting()
            if fitting is None:
                raise
        async with aclosing(self._server.events(self._request, fitting)) as events:
            async for event in events:
                yield event

    async def _fitting(self) -> bytes | None:
        """The body with a limit for which there is room; None: the limit is not at fault, or the
        client's own affair."""
        limit = self._asked.limit
        if limit is None:
            return None
        prompt = await self._server.count(self._request, self._asked.limited_to(None))
        room = self._server.context_tokens - prompt
        if not 0 < room < limit.tokens:
            return None
        self.not_applied = limit.told
        return self._asked.limited_to(room)
