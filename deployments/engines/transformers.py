"""The default engine: Hugging Face transformers with continuous batching, on a CPU or a GPU.

Concurrent requests share forward passes; each keeps its own sampling settings, seed, penalties,
stop strings and log-probabilities (`_sampler.py`). Compute runs on the batching manager's thread:
the event loop that calls `stream` never blocks.

Rule: nothing reaches the manager unchecked. A prompt longer than its cache would end its thread,
and with it every request; so length is refused here, as `InvalidPrompt`, and a dead thread makes
`health` fail.

What is not covered: adapters per request (one adapter is merged into the weights at load), images,
tools.
"""

import asyncio
import itertools
import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jinja2 import TemplateError
from peft import PeftModel
from pydantic import BaseModel, ConfigDict, Field
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from deployments.engine import (
    Engine,
    EngineContext,
    LoadRecorder,
    parse_options,
    with_system_prompt,
)
from deployments.engines._answer import Answer
from deployments.engines._sampler import Sampler
from deployments.models.adapters import load_adapter
from deployments.models.resolve import resolve
from deployments.protocol import (
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    Load,
    ModelCard,
    Prompt,
    Unavailable,
)
from deployments.spec import ModelSpec

__all__ = ["Options", "TransformersEngine", "create"]

_PAGE_TOKENS = 64
_STOP_WAIT_SECONDS = 10


class Options(BaseModel):
    """`engine_options` of the transformers engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="auto: bfloat16 on a GPU; float32 on a CPU, where an answer then does not "
        "depend on what else is in the batch",
    )
    threads: int | None = Field(default=None, ge=1, description="CPU threads; None: num_cpus")
    max_context_tokens: int = Field(default=2048, ge=16, description="prompt and answer together")
    cache_tokens: int = Field(
        default=16384, ge=64, description="tokens in the KV cache, all requests"
    )
    max_batch_requests: int = Field(default=32, ge=1, description="requests in one forward pass")
    max_batch_tokens: int = Field(default=512, ge=16, description="tokens in one forward pass")
    default_max_tokens: int | None = Field(
        default=None,
        ge=1,
        description="answer length where the request names none; None: the context",
    )


def create(spec: ModelSpec, context: EngineContext) -> Engine:
    """The engine for a model; `start` loads it."""
    return TransformersEngine(spec, parse_options(Options, spec), context)


@dataclass(frozen=True)
class _Loaded:
    """What `start` brings: the model's tokenizer, its manager, and what ends an answer."""

    tokenizer: Any
    manager: Any
    sampler: Sampler
    end_tokens: frozenset[int]


class TransformersEngine:
    """Serves one causal language model with its own continuous-batching manager."""

    def __init__(self, spec: ModelSpec, options: Options, context: EngineContext) -> None:
        self._spec, self._options, self._context = spec, options, context
        self._system_prompt = spec.system_prompt
        self._recorder = LoadRecorder()
        self._waiting = 0
        self._ids = itertools.count()
        self._loaded: _Loaded | None = None

    async def start(self) -> None:
        """Loads weights, merges the adapter, starts the generation thread."""
        self._loaded = await asyncio.to_thread(self._load)

    async def stop(self) -> None:
        """Ends the generation thread; requests that still run fail as unavailable."""
        if self._loaded is not None:
            manager, self._loaded = self._loaded.manager, None
            await asyncio.to_thread(manager.stop, True, _STOP_WAIT_SECONDS, False, True)

    async def health(self) -> None:
        """Returns while the generation thread lives."""
        self._ready()

    async def alive(self) -> None:
        """As `health`: a dead thread comes back with a restart alone."""
        self._ready()

    async def load(self) -> Load:
        """What this engine did and does."""
        return self._recorder.load(self._waiting)

    async def model_card(self) -> ModelCard:
        """What is being served."""
        spec, options = self._spec, self._options
        return ModelCard(
            spec.name, "transformers", spec.model, spec.adapter, options.max_context_tokens
        )

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk]:
        """Yields the answer in pieces; leaving early cancels the generation."""
        loaded = self._ready()
        prompt = with_system_prompt(prompt, self._system_prompt)
        ids = await asyncio.to_thread(self._encode, loaded, prompt)
        max_tokens = self._max_tokens(prompt, len(ids))
        with self._recorder.track(prompt.request_id) as work:
            async with aclosing(self._generate(loaded, prompt, ids, max_tokens)) as chunks:
                async for chunk in chunks:
                    work.tokens += chunk.tokens
                    work.finished = chunk.finish_reason is not None
                    yield chunk

    def _ready(self) -> _Loaded:
        """The loaded model, if it can answer."""
        loaded, name = self._loaded, self._spec.name
        if loaded is None:
            raise Unavailable(name, "the model is not loaded")
        if error := loaded.manager.background_thread_status.fatal_error:
            raise Unavailable(name, f"the generation thread died: {type(error).__name__}")
        if not loaded.manager.is_running():
            raise Unavailable(name, "the generation thread is not running")
        return loaded

    def _load(self) -> _Loaded:
        options = self._options
        threads = options.threads or max(1, int(self._spec.resources.num_cpus))
        torch.set_num_threads(threads)
        device = options.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = options.dtype
        if dtype == "auto":
            dtype = "bfloat16" if device == "cuda" else "float32"
        path = resolve(self._spec.model, self._context.cache_dir)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, dtype))
        if self._spec.adapter is not None:
            model = self._merge(model, self._spec.adapter)
        tokenizer = AutoTokenizer.from_pretrained(path)
        end_tokens = _end_tokens(model, tokenizer)
        sampler = Sampler()
        manager = _start_manager(model.to(device), sampler, end_tokens, options)
        return _Loaded(tokenizer, manager, sampler, end_tokens)

    def _merge(self, model: Any, reference: str) -> Any:
        """Folds an adapter into the weights: it then costs nothing per token."""
        adapter = load_adapter(reference)
        if adapter.base != self._spec.model:
            raise ValueError(
                f"model {self._spec.name!r}: adapter {reference!r} was trained on "
                f"{adapter.base!r}, not on {self._spec.model!r}; name that model"
            )
        self._system_prompt = self._spec.system_prompt or adapter.system_prompt
        return PeftModel.from_pretrained(model, adapter.path).merge_and_unload()

    def _encode(self, loaded: _Loaded, prompt: Prompt) -> list[int]:
        tokenizer = loaded.tokenizer
        if prompt.text is not None:
            return list(tokenizer(prompt.text, add_special_tokens=False)["input_ids"])
        chat = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        try:
            text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise InvalidPrompt("messages", f"the model's chat format refuses: {error}") from error
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def _max_tokens(self, prompt: Prompt, prompt_tokens: int) -> int:
        """How long the answer may get, in tokens, or `InvalidPrompt` if it cannot fit."""
        options, name = self._options, "messages" if prompt.messages else "prompt"
        context = min(options.max_context_tokens, options.cache_tokens)
        if not prompt_tokens:
            raise InvalidPrompt(name, "the prompt has no tokens")
        if prompt_tokens >= context:
            raise InvalidPrompt(
                name,
                f"the prompt has {prompt_tokens} tokens and the context {context}; shorten it",
            )
        room = context - prompt_tokens
        wanted = prompt.sampling.max_tokens
        if wanted is None:
            return min(room, options.default_max_tokens or room)
        if wanted > room:
            raise InvalidPrompt(
                "max_tokens",
                f"{prompt_tokens} prompt tokens and max_tokens={wanted} exceed the context of "
                f"{context} tokens; at most {room} fit",
            )
        return wanted

    async def _generate(
        self, loaded: _Loaded, prompt: Prompt, ids: list[int], max_tokens: int
    ) -> AsyncGenerator[Chunk]:
        """Runs one request on the manager; whatever happens, its slot is free afterwards."""
        manager, sampler = loaded.manager, loaded.sampler
        engine_id = f"{next(self._ids)}"  # the caller's request id need not be unique
        row = sampler.add(engine_id, prompt.sampling)
        answer = Answer(row, len(ids), loaded.tokenizer, loaded.end_tokens)
        outputs: asyncio.Queue[Any] = asyncio.Queue()
        manager.register_result_handler(engine_id, outputs.put_nowait)
        try:
            accepted = manager.add_request(
                ids,
                request_id=engine_id,
                max_new_tokens=max_tokens,
                streaming=True,
                eos_token_id=sorted(loaded.end_tokens),
            )
            if accepted is None:
                self._ready()
                raise Unavailable(self._spec.name, "the engine is stopping")
            allowed = prompt.deadline_seconds
            deadline = math.inf if allowed is None else time.monotonic() + allowed
            while not answer.done:
                output = await self._next_output(outputs, deadline, allowed)
                chunk = answer.advance(output.generated_tokens, output.is_finished())
                if chunk is not None:
                    yield chunk
        finally:
            manager.cancel_request(engine_id)  # does nothing for one that has finished
            manager.output_router.result_handlers.pop(engine_id, None)
            sampler.remove(engine_id)

    async def _next_output(
        self, outputs: asyncio.Queue[Any], deadline: float, allowed: float | None
    ) -> Any:
        """The newest output: each has all tokens so far, so those before it are not needed."""
        # Not asyncio.timeout: around a generator it would strike the consumer between two chunks.
        remaining = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
        try:
            output = await asyncio.wait_for(outputs.get(), remaining)
        except TimeoutError as error:
            raise DeadlineExceeded(self._spec.name, allowed or 0.0) from error
        while not outputs.empty():
            output = outputs.get_nowait()
        if output.error is not None:
            raise Unavailable(self._spec.name, "the engine failed while it answered")
        return output


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The ids that end an answer: the tokenizer's and those of the model's generation settings."""
    named = model.generation_config.eos_token_id
    listed = named if isinstance(named, list) else [named]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)


def _start_manager(
    model: Any, sampler: Sampler, end_tokens: frozenset[int], options: Options
) -> Any:
    generation = GenerationConfig(
        do_sample=False, eos_token_id=sorted(end_tokens), pad_token_id=min(end_tokens)
    )
    manager = model.init_continuous_batching(
        generation_config=generation,
        continuous_batching_config=ContinuousBatchingConfig(
            # Sized by hand: left alone it takes most of the free memory, and minutes.
            page_size=_PAGE_TOKENS,
            num_blocks=-(-options.cache_tokens // _PAGE_TOKENS),
            max_batch_tokens=options.max_batch_tokens,
            max_requests_per_batch=options.max_batch_requests,
            # The sampler decides on the host, between the forward pass and the next one.
            use_cuda_graph=False,
            use_async_batching=False,
        ),
    )
    manager.logit_processor = sampler
    manager.start()
    deadline = time.monotonic() + _STOP_WAIT_SECONDS
    while manager.batch_processor is None and time.monotonic() < deadline:
        time.sleep(0.01)  # the thread makes its cache first; until then it cannot take requests
    return manager
