"""vLLM's engine and its own OpenAI layer, without its HTTP server."""

import asyncio
import json
from argparse import Namespace
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import State
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.serve import create_error_response
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.entrypoints.serve.lora.protocol import LoadLoRAAdapterRequest, UnloadLoRAAdapterRequest
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from deployments.control_tokens import ControlTokens
from deployments.engines._heartbeat import Heartbeat
from deployments.engines._openai_errors import Blame, error_from
from deployments.engines._vllm_answers import without_end_token
from deployments.engines._vllm_stats import Stats, StatsLogger
from deployments.models.errors import ModelError
from deployments.protocol import (
    INPUTS,
    BackendError,
    InvalidPrompt,
    ModelRequest,
    Operation,
    Unavailable,
)

_PARAMETERS = {"chat": ChatCompletionRequest, "completion": CompletionRequest}


class VllmServer:
    """A running engine. It lives in the event loop that starts it.

    Attributes:
        context_tokens: the longest prompt and answer together.
        slots: requests in one pass of the engine.
        control_tokens: those of its tokenizer.
        stats: what the engine tells about itself.
    """

    def __init__(self, engine: AsyncLLM, state: State, stats: Stats) -> None:
        self._engine, self._state, self.stats = engine, state, stats
        self._heartbeat = Heartbeat(engine.is_sleeping)  # its process answers between two passes
        self.context_tokens: int = engine.model_config.max_model_len
        self.slots: int = engine.vllm_config.scheduler_config.max_num_seqs
        tokens = engine.renderer.tokenizer.added_tokens_decoder.values()
        self.control_tokens = ControlTokens(str(token) for token in tokens if token.special)

    @classmethod
    async def start(cls, arguments: Namespace) -> "VllmServer":
        """Loads the base; takes half a minute, or minutes."""
        stats = Stats()
        engine = await asyncio.to_thread(_engine, arguments, stats)
        state = State()
        try:
            tasks = await engine.get_supported_tasks()
            await init_app_state(engine, state, arguments, tasks)
        except BaseException:
            engine.shutdown()
            raise
        return cls(engine, state, stats)

    async def events(self, request: ModelRequest, body: bytes) -> AsyncGenerator[bytes]:
        """What vLLM's HTTP server would stream. Closing it early stops the request.

        Raises:
            InvalidPrompt: it does not take the request.
            Unavailable: the engine is dead, or failed.
        """
        answer = await self._asked(request, body)
        if isinstance(answer, ErrorResponse):
            raise _refusal(request, answer)
        async with aclosing(answer) as events:
            async for event in events:
                yield without_end_token(event.encode())

    async def count(self, request: ModelRequest, body: bytes) -> int:
        """How many tokens the prompt has, or the longest of several.

        Raises:
            InvalidPrompt, Unavailable: as for an answer.
        """
        rendered = await self._asked(request, body, renders=True)
        if isinstance(rendered, ErrorResponse):
            raise _refusal(request, rendered)
        prompts = rendered[1] if request.operation == "chat" else rendered
        return max(len(prompt["prompt_token_ids"]) for prompt in prompts)

    async def _asked(self, request: ModelRequest, body: bytes, *, renders: bool = False) -> Any:
        """What vLLM answers, or what it makes of the prompt; or its error."""
        parameters = _PARAMETERS[request.operation]
        try:
            return await self._ask(request.operation, renders)(parameters.model_validate_json(body))
        except ValidationError as error:
            raise _invalid(request, error) from None
        except EngineDeadError as error:
            raise Unavailable(request.model, "vLLM's engine is dead") from error
        except Exception as error:  # noqa: BLE001 - vLLM says itself what its exceptions mean
            return create_error_response(error)

    def _ask(self, operation: Operation, renders: bool) -> Callable[[Any], Awaitable[Any]]:
        chat, completion = self._state.openai_serving_chat, self._state.openai_serving_completion
        if operation == "chat":
            return chat.render_chat_request if renders else chat.create_chat_completion
        return completion.render_completion_request if renders else completion.create_completion

    async def load_adapter(self, name: str, path: Path) -> None:
        """Loads an adapter, between two passes of the engine.

        Raises:
            ModelError: vLLM cannot use it.
        """
        wanted = LoadLoRAAdapterRequest(lora_name=name, lora_path=str(path))
        answer = await self._state.openai_serving_models.load_lora_adapter(wanted)
        if isinstance(answer, ErrorResponse):
            raise ModelError(f"vLLM cannot load the adapter in {path}: {answer.error.message}")

    async def unload_adapter(self, name: str) -> None:
        """Frees the place of an adapter that no request uses."""
        models = self._state.openai_serving_models
        number = models.lora_requests[name].lora_int_id
        await models.unload_lora_adapter(UnloadLoRAAdapterRequest(lora_name=name))
        await self._engine.remove_lora(number)  # vLLM's server would keep it in memory

    def require_alive(self, model: str) -> None:
        """Raises `Unavailable` if the engine is dead."""
        if self._engine.errored:
            raise Unavailable(model, "vLLM's engine is dead")

    def silent_seconds(self) -> float:
        """How long the engine's process has not answered, between one look and the next."""
        return self._heartbeat.waiting_seconds()

    async def stop(self) -> None:
        """Ends the engine's process."""
        self._heartbeat.stop()
        await asyncio.to_thread(self._engine.shutdown)


def _engine(arguments: Namespace, stats: Stats) -> AsyncLLM:
    config = AsyncEngineArgs.from_cli_args(arguments).create_engine_config(
        usage_context=UsageContext.OPENAI_API_SERVER
    )
    return AsyncLLM.from_vllm_config(
        config,
        usage_context=UsageContext.OPENAI_API_SERVER,
        stat_loggers=[StatsLogger.into(stats)],
        enable_log_requests=arguments.enable_log_requests,
        disable_log_stats=arguments.disable_log_stats,
    )


def _refusal(request: ModelRequest, answer: ErrorResponse) -> BackendError:
    """The exception for vLLM's own error."""
    body = json.dumps({"error": answer.error.model_dump()})
    blame = Blame(request.body, INPUTS[request.operation])
    error = error_from(request.model, answer.error.code, body, blame)
    if isinstance(error, InvalidPrompt):  # no upstream's words: this process is ours
        return type(error)(error.parameter, f"vLLM refuses: {error.detail}")
    return error


def _invalid(request: ModelRequest, error: ValidationError) -> InvalidPrompt:
    """The exception for a body that vLLM cannot read."""
    fault = error.errors()[0]
    place = fault["loc"][0] if fault["loc"] else INPUTS[request.operation]
    return InvalidPrompt(str(place), f"vLLM refuses: {fault['msg']}")
