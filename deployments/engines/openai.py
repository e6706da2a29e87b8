"""Forwards to a server that speaks the OpenAI API: vLLM, a hosted model, another gateway.

Closing a stream early closes the connection, which makes the server stop generating. The key comes
from the replica's environment and never appears in an error or a `repr`.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import httpx
from httpx_sse import EventSource
from pydantic import BaseModel, ConfigDict, Field

from deployments.engine import (
    Engine,
    EngineContext,
    LoadRecorder,
    parse_options,
    with_system_prompt,
)
from deployments.engines._openai_wire import EventDecoder, error_from, request_body
from deployments.protocol import Chunk, DeadlineExceeded, Load, ModelCard, Prompt, Unavailable
from deployments.spec import ModelSpec

_CONNECT_SECONDS = 10.0
_HEALTH_SECONDS = 5.0

Result = TypeVar("Result")


class OpenAIOptions(BaseModel):
    """`engine_options` of the openai engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(
        pattern=r"^https?://[^/\s]+", description="with its version, e.g. http://host:8000/v1"
    )
    model: str | None = Field(
        default=None, description="the server's name for the model; None: the spec's `model`"
    )
    api_key_env: str | None = Field(
        default=None, description="the environment variable that holds the key; None: no key"
    )
    timeout_seconds: float = Field(
        default=120, gt=0, description="time without a byte from the server"
    )
    health_path: str = Field(
        default="/models", pattern="^/", description="after base_url; any 2xx means healthy"
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="added to each request's body; null removes a key"
    )


def create(spec: ModelSpec, context: EngineContext) -> Engine:  # noqa: ARG001 - no files are needed
    """Builds the engine.

    Raises:
        ValueError: an option is invalid, or the variable of `api_key_env` is not set.
    """
    options = parse_options(OpenAIOptions, spec)
    key = os.environ.get(options.api_key_env) if options.api_key_env else None
    if options.api_key_env and not key:
        raise ValueError(
            f"engine_options.api_key_env: no environment variable {options.api_key_env} "
            f"where model {spec.name!r} runs"
        )
    return OpenAIEngine(spec, options, key)


class OpenAIEngine:
    """The engine. `start` opens a connection pool; it does not wait for the server."""

    def __init__(self, spec: ModelSpec, options: OpenAIOptions, api_key: str | None = None) -> None:
        self._spec, self._options, self._key = spec, options, api_key
        self._base = options.base_url.rstrip("/")
        self._model = options.model or spec.model
        self._record = LoadRecorder()
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Opens the connection pool."""
        timeout = self._options.timeout_seconds
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(timeout, connect=min(_CONNECT_SECONDS, timeout)),
            # The caller limits the requests in flight, not the pool.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )

    async def stop(self) -> None:
        """Closes every connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def health(self) -> None:
        """Asks the server's health path; raises `Unavailable` unless it answers 2xx."""
        url, limit = self._base + self._options.health_path, self._options.timeout_seconds
        try:
            response = await self._open().get(url, timeout=min(_HEALTH_SECONDS, limit))
        except httpx.HTTPError as error:
            raise Unavailable(self._spec.name, f"upstream: {type(error).__name__}") from error
        if not response.is_success:
            raise Unavailable(self._spec.name, f"upstream answered {response.status_code}")

    async def alive(self) -> None:
        """Never raises: restarting this engine does not bring back the server."""

    async def load(self) -> Load:
        """The counts of this engine; the server's other work is unknown."""
        return self._record.load()

    async def model_card(self) -> ModelCard:
        """The server's name for the model."""
        return ModelCard(self._spec.name, "openai", self._model, self._spec.adapter)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Yields the server's answer as it arrives.

        Raises:
            Overloaded: the server answered 429.
            InvalidPrompt: it answered 400, 413 or 422.
            Unavailable: it sent another error, cannot be reached, or closed the connection.
            DeadlineExceeded: it was too slow for the prompt's deadline or `timeout_seconds`.
        """
        full_prompt = with_system_prompt(prompt, self._spec.system_prompt)
        clock = _Clock(prompt.deadline_seconds)
        decoder = EventDecoder(self._spec.name)
        with self._record.track(prompt.request_id) as work:
            async with self._translated(prompt.deadline_seconds):
                response = await clock.limit(self._send(full_prompt))
                try:
                    # Read to the end, past [DONE], so that the connection can be reused.
                    async for event in _events(response, clock):
                        chunk = decoder.read(self._without_key(event))
                        work.tokens = decoder.tokens
                        if chunk is not None:
                            yield chunk
                finally:
                    await response.aclose()
            last = decoder.last(clock.elapsed())
            work.tokens, work.finished = decoder.tokens, True
            yield last

    async def _send(self, prompt: Prompt) -> httpx.Response:
        """The server's response after its headers; raises on an error status."""
        path = "/chat/completions" if prompt.text is None else "/completions"
        body = request_body(prompt, self._model, self._options.extra_body)
        client = self._open()
        headers = {"X-Request-Id": prompt.request_id, **dict(prompt.trace)}
        request = client.build_request("POST", self._base + path, json=body, headers=headers)
        response = await client.send(request, stream=True)
        if response.is_success:
            return response
        try:
            text = (await response.aread()).decode("utf-8", errors="replace")
        finally:
            await response.aclose()
        retry_after = response.headers.get("Retry-After")
        status = response.status_code
        raise error_from(self._spec.name, status, retry_after, self._without_key(text))

    def _without_key(self, text: str) -> str:
        """The text without the key, which some servers quote in their errors."""
        return text.replace(self._key, "***") if self._key else text

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            raise Unavailable(self._spec.name, "the engine is not started")
        return self._client

    @asynccontextmanager
    async def _translated(self, deadline_seconds: float | None) -> AsyncIterator[None]:
        """Translates httpx's errors and timeouts into `BackendError`s."""
        try:
            yield
        except (httpx.ConnectTimeout, httpx.ConnectError) as error:
            raise Unavailable(self._spec.name, f"{self._base}: cannot connect") from error
        except httpx.TimeoutException as error:
            raise DeadlineExceeded(self._spec.name, self._options.timeout_seconds) from error
        except TimeoutError as error:
            raise DeadlineExceeded(self._spec.name, deadline_seconds or 0.0) from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(self._spec.name, f"connection lost: {reason}") from error


class _Clock:
    """Measures one request's time, from construction."""

    def __init__(self, deadline_seconds: float | None) -> None:
        self._started = time.monotonic()
        self._deadline = deadline_seconds

    def elapsed(self) -> float:
        return time.monotonic() - self._started

    async def limit(self, step: Awaitable[Result]) -> Result:
        """Awaits one step in time; a timeout around a `yield` could fire in the caller."""
        remaining = None if self._deadline is None else self._deadline - self.elapsed()
        async with asyncio.timeout(remaining):
            return await step


async def _events(response: httpx.Response, clock: _Clock) -> AsyncIterator[str]:
    # Some servers omit the type; the text is UTF-8 in any case.
    response.headers["content-type"] = "text/event-stream; charset=utf-8"
    async with aclosing(EventSource(response).aiter_sse()) as events:
        while (event := await clock.limit(anext(events, None))) is not None:
            if event.data:
                yield event.data
