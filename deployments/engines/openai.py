"""Forwards to a server that speaks the OpenAI API: vLLM, a hosted model, another gateway.

The client's request goes to the server, and the server's answer to the client, as the JSON that
they are; `_openai_requests` and `_openai_answers` make the few edits, and an adapter's card may
complete answers. Closing a stream early, or cancelling a call, closes the connection, which makes
the server stop generating. The key comes from the environment and never appears in an error or a
`repr`.
"""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from deployments.api_key import read_api_key
from deployments.completions import CompletionFilter
from deployments.engine import Engine, EngineContext, LoadRecorder, parse_options, require_kind
from deployments.engines._openai_answers import StreamedAnswer, WholeAnswer
from deployments.engines._openai_http import Response, Server
from deployments.engines._openai_inputs import InputsAnswer
from deployments.engines._openai_requests import RequestBuilder
from deployments.http_address import BaseUrl
from deployments.models.adapters import completion_of
from deployments.protocol import INPUTS, KINDS, Chunk, Load, ModelCard, ModelRequest, Operation
from deployments.spec import ModelSpec

_PATHS: Mapping[Operation, str] = {
    "chat": "/chat/completions",
    "completion": "/completions",
    "embedding": "/embeddings",
    "rerank": "/rerank",
}
_USAGE_SECONDS = 5.0  # after all was said: for the usage and [DONE]
_SIGN_SECONDS = 1.0  # between two signs of life
_CLOSING_SECONDS = 0.1  # after [DONE]: for the end of the body, so that the connection is kept


class OpenAIOptions(BaseModel):
    """`engine_options` of the openai engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: BaseUrl = Field(description="with its version, e.g. http://host:8000/v1")
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
    keep_connections: bool = Field(
        default=True,
        description="whether a connection serves further requests; false where the address stands "
        "for several servers, such as a Service of Kubernetes: each request then goes to one that "
        "takes requests",
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="added to each request's body; null removes a key"
    )
    control_tokens: tuple[str, ...] = Field(
        default=(),
        description="what the model's chat template sets between messages, such as "
        "`<|im_start|>`, where its server reads it in a client's message too; there it gets an "
        "invisible character inside",
    )


def create(specs: Sequence[ModelSpec], context: EngineContext) -> Engine:  # noqa: ARG001 - no files
    """Builds the engine of one model.

    Raises:
        ValueError: an option is invalid, or the variable of `api_key_env` is not set or holds what
            is no key.
    """
    [spec] = specs
    options = parse_options(OpenAIOptions, spec)
    key = _key(options.api_key_env, spec.name) if options.api_key_env else None
    return OpenAIEngine(spec, options, key)


def _key(variable: str, model: str) -> str:
    try:
        key = read_api_key(os.environ, variable)
    except ValueError as error:
        raise ValueError(f"engine_options.api_key_env: {error}") from None
    if key is None:
        raise ValueError(
            f"engine_options.api_key_env: no environment variable {variable} "
            f"where model {model!r} runs; set it, or correct the name"
        )
    return key


class OpenAIEngine:
    """The engine. It opens connections when they are needed and does not wait for the server to
    start."""

    def __init__(self, spec: ModelSpec, options: OpenAIOptions, api_key: str | None = None) -> None:
        self._spec, self._key = spec, api_key
        self._health_path = options.health_path
        self._completion = completion_of(spec.adapter)
        self._model = options.model or spec.model
        self._requests = RequestBuilder(
            self._model, spec.system_prompt, options.extra_body, options.control_tokens
        )
        self._server = Server(
            spec.name,
            options.base_url,
            api_key,
            options.timeout_seconds,
            keeps_connections=options.keep_connections,
        )
        self._record = LoadRecorder()

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Closes every connection."""
        await self._server.stop()

    async def health(self, _model: str) -> None:
        """Asks the server's health path; raises `Unavailable` unless it answers 2xx."""
        await self._server.health(self._health_path)

    async def alive(self) -> None:
        """Never raises: restarting this engine does not bring back the server."""

    async def load(self, _model: str) -> Load:
        """The counts of this engine; the server's other work is unknown."""
        return self._record.load()

    async def cards(self) -> tuple[ModelCard, ...]:
        """The server's name for the model."""
        return (ModelCard(self._spec.name, "openai", self._model, self._spec.adapter),)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yields the server's answer as it arrives, and a sign of life for pings and events without
        words: a model that thinks may say nothing for long.

        Raises:
            Overloaded: the server answered 429.
            InvalidPrompt: it answered 400, 413 or 422.
            Unavailable: it sent another error or no answer, cannot be reached, or closed the
                connection.
            DeadlineExceeded: it was too slow for the request's deadline or `timeout_seconds`.
        """
        require_kind(self._spec, request, streamed=True)
        body, wanted = self._requests.build(request, stream=True)
        answer = StreamedAnswer(request, wanted, self._key)
        completed = CompletionFilter(self._completion, request)
        prefill_seconds, told_seconds = None, 0.0
        with self._record.track(request.request_id) as work:
            async with self._post(request, body) as response:
                while data := await _next(response, answer):
                    for chunk in answer.feed(data):
                        work.tokens = answer.tally.tokens
                        told_seconds = response.elapsed()
                        if prefill_seconds is None and chunk.output:
                            prefill_seconds = told_seconds
                        yield completed.apply(chunk)
                    if response.elapsed() - told_seconds > _SIGN_SECONDS:
                        told_seconds = response.elapsed()
                        yield Chunk(b"", output=False)
                seconds = response.elapsed()
            for chunk in answer.end(seconds, prefill_seconds):
                work.tokens, work.finished = answer.tally.tokens, chunk.usage is not None
                yield completed.apply(chunk)

    async def complete(self, request: ModelRequest) -> Chunk:
        """The server's whole answer, asked for without a stream; the server alone sees its first
        token, so `first_token_seconds` has no effect.

        Raises:
            BackendError: as `stream`.
        """
        require_kind(self._spec, request)
        body, answer = self._whole(request)
        with self._record.track(request.request_id) as work:
            async with self._post(request, body) as response:
                while data := await _next(response, answer):
                    answer.feed(data)
                chunk = answer.end(response.elapsed())
            work.tokens = chunk.tokens
            return CompletionFilter(self._completion, request).apply(chunk)

    def _whole(self, request: ModelRequest) -> tuple[bytes, WholeAnswer | InputsAnswer]:
        """The body that asks for a whole answer, and what reads that."""
        if KINDS[request.operation] != "generation":
            return self._requests.build_for_inputs(request), InputsAnswer(request, self._key)
        body, wanted = self._requests.build(request, stream=False)
        return body, WholeAnswer(request, wanted, self._key)

    def _post(self, request: ModelRequest, body: bytes) -> AbstractAsyncContextManager[Response]:
        headers = {"X-Request-Id": request.request_id, **dict(request.trace)}
        path = _PATHS[request.operation]
        blamed = INPUTS[request.operation]
        return self._server.post(path, body, headers, request.deadline_seconds, blamed)


async def _next(response: Response, answer: StreamedAnswer | WholeAnswer | InputsAnswer) -> bytes:
    """The answer's next bytes; nothing at its end, also where the body does not end with it."""
    if answer.done:
        response.expect_end(_CLOSING_SECONDS)
    elif answer.finished:
        response.expect_end(_USAGE_SECONDS)
    return await response.read()
