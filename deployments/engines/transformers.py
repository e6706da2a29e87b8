"""The default engine: Hugging Face transformers with continuous batching, on a CPU or a GPU.

Concurrent requests share forward passes; each has its own sampling settings, seed, penalties, stop
strings and log-probabilities (`_sampler.py`). Compute runs on the batching manager's thread, so the
event loop that calls `generate` never blocks.

Rule: the manager gets only checked prompts. One longer than its cache would kill its thread, and
with it every request; so this engine refuses it as `InvalidPrompt`. A dead thread makes `health`
fail.

Not supported: adapters per request (one adapter is merged into the weights at load), images, tools.
"""

import asyncio
import itertools
import queue
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import AutoTokenizer

from deployments.completions import Completion
from deployments.control_tokens import ControlTokens
from deployments.engine import Engine, EngineContext, LoadRecorder, parse_options
from deployments.engines._budget import TokenBudget
from deployments.engines._mailbox import Mailbox
from deployments.engines._manager import PAGE_TOKENS, end_tokens_of, start_manager
from deployments.engines._options import Options
from deployments.engines._pieces import PieceBuilder
from deployments.engines._sampler import Sampler
from deployments.generation import Piece, Prompt, with_system_prompt
from deployments.models.adapters import Adapter, load_adapter
from deployments.models.load import load_model
from deployments.models.resolve import resolve
from deployments.protocol import (
    DeadlineExceeded,
    InvalidPrompt,
    Load,
    ModelCard,
    PromptTooLong,
    Unavailable,
    Usage,
)
from deployments.spec import ModelSpec
from deployments.text_backend import TextBackend

_STOP_WAIT_SECONDS = 10


def create(specs: Sequence[ModelSpec], context: EngineContext) -> Engine:
    """The engine for a model, which has the process alone; `start` loads it."""
    [spec] = specs
    engine = TransformersEngine(spec, parse_options(Options, spec), context)
    return TextBackend(engine, engine.completion)


@dataclass(frozen=True)
class _Loaded:
    """The result of `start`: the tokenizer and its control tokens, the manager, the tokens that end
    an answer, and the name of what completes a chat answer."""

    tokenizer: Any
    control_tokens: ControlTokens
    manager: Any
    sampler: Sampler
    end_tokens: frozenset[int]
    completion: Completion | None


class TransformersEngine:
    """Serves one causal language model with a continuous-batching manager."""

    def __init__(self, spec: ModelSpec, options: Options, context: EngineContext) -> None:
        self._spec, self._options, self._context = spec, options, context
        self._system_prompt = spec.system_prompt
        self._recorder = LoadRecorder()
        self._budget = TokenBudget(_whole_pages(options.cache_tokens))
        self._ids = itertools.count()
        self._loaded: _Loaded | None = None

    async def start(self) -> None:
        """Loads weights, merges the adapter, starts the generation thread."""
        self._loaded = await asyncio.to_thread(self._load)

    async def stop(self) -> None:
        """Stops the generation thread; running requests fail with `Unavailable`."""
        if self._loaded is not None:
            manager, self._loaded = self._loaded.manager, None
            await asyncio.to_thread(manager.stop, True, _STOP_WAIT_SECONDS, False, True)

    async def health(self) -> None:
        """Raises `Unavailable` unless the generation thread runs."""
        self._ready()

    async def alive(self) -> None:
        """Raises `Unavailable` if the generation thread is dead or makes no progress."""
        idle = self._ready().sampler.stalled_seconds()
        if idle > self._options.stall_seconds:
            raise Unavailable(self._spec.name, f"the engine made no progress for {idle:.0f} s")

    async def load(self) -> Load:
        """The counts of this engine."""
        return self._recorder.load(self._budget.waiting)

    async def model_card(self) -> ModelCard:
        """The card of the served model."""
        spec, options = self._spec, self._options
        return ModelCard(
            name=spec.name,
            engine="transformers",
            model=spec.model,
            adapter=spec.adapter,
            max_context_tokens=options.max_context_tokens,
            batch_invariant=_placement(options) == ("cpu", "float32"),
        )

    def completion(self) -> Completion | None:
        """What completes a chat answer, by the adapter's card."""
        return None if self._loaded is None else self._loaded.completion

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yields the answer in pieces; closing it early cancels the generation."""
        loaded = self._ready()
        prompt = with_system_prompt(prompt, self._system_prompt)
        ids = await asyncio.to_thread(self._encode, loaded, prompt)
        max_tokens = self._max_tokens(prompt, len(ids))
        with self._recorder.track(prompt.request_id) as work:
            async with aclosing(self._admitted(loaded, prompt, ids, max_tokens)) as pieces:
                async for piece in pieces:
                    work.tokens += piece.tokens
                    work.finished = piece.finish_reason is not None
                    yield piece

    def _ready(self) -> _Loaded:
        """The loaded model; raises `Unavailable` if it cannot answer."""
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
        device, dtype = _placement(options)
        path = resolve(self._spec.model, self._context.cache_dir)
        adapter = self._adapter()
        model = load_model(path, adapter, getattr(torch, dtype))
        tokenizer = AutoTokenizer.from_pretrained(path)
        end_tokens = end_tokens_of(model, tokenizer)
        sampler = self._sampler(model.generation_config)
        manager = start_manager(model.to(device), sampler, end_tokens, options)
        completion = adapter.complete if adapter else None
        control_tokens = ControlTokens(
            str(token) for token in tokenizer.added_tokens_decoder.values() if token.special
        )
        return _Loaded(tokenizer, control_tokens, manager, sampler, end_tokens, completion)

    def _sampler(self, generation_config: Any) -> Sampler:
        """The sampler, with niche.yaml's defaults, else the model's own, else OpenAI's."""
        options = self._options
        temperature = _first(options.default_temperature, generation_config.temperature, 1.0)
        return Sampler(temperature, _first(options.default_top_p, generation_config.top_p, 1.0))

    def _adapter(self) -> Adapter | None:
        """The spec's adapter, if any; raises if it does not fit the model."""
        reference = self._spec.adapter
        if reference is None:
            return None
        adapter = load_adapter(reference)
        adapter.require_base(self._spec.name, self._spec.model)
        self._system_prompt = self._spec.system_prompt or adapter.system_prompt
        return adapter

    def _encode(self, loaded: _Loaded, prompt: Prompt) -> list[int]:
        tokenizer = loaded.tokenizer
        if prompt.text is not None:
            return list(tokenizer(prompt.text, add_special_tokens=False)["input_ids"])
        as_text = loaded.control_tokens.as_text
        chat = [{"role": turn.role, "content": as_text(turn.content)} for turn in prompt.messages]
        try:
            text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise InvalidPrompt("messages", f"the model's chat format refuses: {error}") from error
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def _max_tokens(self, prompt: Prompt, prompt_tokens: int) -> int:
        """The maximum length of the answer, in tokens; `InvalidPrompt` if it does not fit."""
        options, name = self._options, "messages" if prompt.messages else "prompt"
        context = min(options.max_context_tokens, options.cache_tokens)
        if not prompt_tokens:
            raise InvalidPrompt(name, "the prompt has no tokens")
        if prompt_tokens >= context:
            raise PromptTooLong(
                name,
                f"the prompt has {prompt_tokens} tokens and the context {context}; shorten it",
            )
        room = context - prompt_tokens
        requested = prompt.sampling.max_tokens
        if requested is None:
            return min(room, options.default_max_tokens or room)
        if requested > room:
            raise PromptTooLong(
                "max_tokens",
                f"{prompt_tokens} prompt tokens and max_tokens={requested} exceed the context of "
                f"{context} tokens; at most {room} fit",
            )
        return requested

    async def _admitted(
        self, loaded: _Loaded, prompt: Prompt, ids: list[int], max_tokens: int
    ) -> AsyncGenerator[Piece]:
        """Waits for room in the cache, within the deadline, then generates."""
        clock, allowed = asyncio.get_running_loop().time, prompt.deadline_seconds
        deadline = None if allowed is None else clock() + allowed
        room = _whole_pages(len(ids) + max_tokens)
        async with AsyncExitStack() as stack:
            async with self._within(prompt, deadline):
                await stack.enter_async_context(self._budget.reserved(room))
            pieces = self._answer(loaded, prompt, ids, max_tokens, deadline)
            begun, prefill = clock(), None
            async for piece in await stack.enter_async_context(aclosing(pieces)):
                prefill = clock() - begun if prefill is None else prefill
                yield piece if piece.usage is None else _timed(piece, piece.usage, prefill)

    @asynccontextmanager
    async def _within(self, prompt: Prompt, deadline: float | None) -> AsyncIterator[None]:
        """Limits one await. Never around a `yield`: the timeout could fire in the consumer."""
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(self._spec.name, prompt.deadline_seconds or 0.0) from error

    async def _answer(
        self,
        loaded: _Loaded,
        prompt: Prompt,
        ids: list[int],
        max_tokens: int,
        deadline: float | None,
    ) -> AsyncGenerator[Piece]:
        """Runs one request on the manager; always frees its slot."""
        manager, sampler = loaded.manager, loaded.sampler
        engine_id = f"{next(self._ids)}"  # the caller's request id need not be unique
        row = sampler.add(engine_id, prompt.sampling)
        answer = PieceBuilder(row, len(ids), loaded.tokenizer, loaded.end_tokens)
        outputs = Mailbox[Any]()  # each output has all tokens so far: only the newest counts
        manager.register_result_handler(engine_id, outputs.put)
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
            while not answer.done:
                async with self._within(prompt, deadline):
                    output = await outputs.take()
                if output.error is not None:
                    raise Unavailable(self._spec.name, "the engine failed while it answered")
                piece = answer.advance(output.generated_tokens, output.is_finished())
                if piece is not None:
                    yield piece
        finally:
            manager.cancel_request(engine_id)  # no effect on a finished one
            manager.output_router.result_handlers.pop(engine_id, None)
            sampler.remove(engine_id)
            _drop_strays(manager.output_router.output_queue)


def _placement(options: Options) -> tuple[str, str]:
    """The device of the weights, and their type."""
    device, dtype = options.device, options.dtype
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" else "float32"
    return device, dtype


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _whole_pages(tokens: int) -> int:
    """Tokens, rounded up to whole pages of the cache."""
    return -(-tokens // PAGE_TOKENS) * PAGE_TOKENS


def _timed(piece: Piece, usage: Usage, prefill: float) -> Piece:
    return replace(piece, usage=replace(usage, prefill_seconds=prefill))


def _drop_strays(outputs: "queue.Queue[Any]") -> None:
    """Empties the manager's queue, which collects the outputs of cancelled requests."""
    with suppress(queue.Empty):
        while True:
            outputs.get_nowait()
