"""vLLM in the replica's process, through its own serving layer: chat templates, tool and reasoning
parsers, structured output and images are vLLM's.

One process holds one base and any number of its adapters, which come and go while it answers;
requests of several adapters share forward passes. `engine_options` are the arguments of
`vllm serve`, with underscores; vLLM's own parser refuses the unknown ones. What its HTTP server
would stream is read here as an upstream's answer is. Whole answers are streamed inside too, so that
each can be stopped.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployments.completions import CompletionFilter
from deployments.deadline import within_deadline, within_first_token
from deployments.engine import (
    EngineContext,
    LiveEngine,
    LoadRecorder,
    Work,
    require_kind,
)
from deployments.engines._openai_answers import StreamedAnswer, WholeAnswer
from deployments.engines._vllm_adapters import Adapters, Served
from deployments.engines._vllm_options import VllmOptions, missing, vllm_options
from deployments.engines._vllm_requests import ServedModel, read_request
from deployments.engines._vllm_room import FittedAnswer
from deployments.engines._vllm_work import WorkedTokens
from deployments.engines._work_clock import WorkClock
from deployments.models.adapters import Adapter, adapters_of
from deployments.models.resolve import resolve
from deployments.protocol import (
    Chunk,
    Load,
    ModelCard,
    ModelRequest,
    Unavailable,
)
from deployments.spec import ModelSpec
from deployments.token_counts import as_chat, counted

if TYPE_CHECKING:  # importing vLLM takes seconds
    from deployments.engines._vllm_server import VllmServer


_FULL_CACHE = 0.9
"""Share of the KV cache in use from which on requests wait for room in it."""


def create(specs: Sequence[ModelSpec], context: EngineContext) -> LiveEngine:
    """The engine for models of one base; `start` loads it.

    Raises:
        ValueError: an option is invalid, or vLLM is not installed.
    """
    return VllmEngine(specs, context)


@dataclass(frozen=True)
class _Loaded:
    """A running server, what it has loaded for each model, and how each answers."""

    server: "VllmServer"
    adapters: Adapters
    served: Mapping[str, Served]
    models: Mapping[str, ServedModel]


class VllmEngine:
    """Serves one base, and the adapters of the models that share it.

    Args:
        specs: the models, at least one. They have the same base and, but for the `default_` ones,
            the same options.
        context: where files are kept.

    Raises:
        ValueError: an option is invalid, or vLLM is not installed.
    """

    def __init__(self, specs: Sequence[ModelSpec], context: EngineContext) -> None:
        self._context = context
        self._recorders: dict[str, LoadRecorder] = {}
        self._take(specs, _options(specs))
        if lacking := missing():
            if context.here:
                raise ValueError(f"engine: vllm cannot run here: {lacking}")
        else:
            self._check_arguments()
        self._clock = WorkClock()
        self._loaded: _Loaded | None = None

    def _check_arguments(self) -> None:
        from deployments.engines._vllm_arguments import parse  # noqa: PLC0415 - takes seconds

        parse(
            self._options[self._first.name].arguments,
            self._first.model,
            num_gpus=self._first.resources.num_gpus,
        )

    async def start(self) -> None:
        """Loads the base and the adapters.

        Raises:
            ValueError: there is no room for the adapters.
            UnusableModels: adapters are absent, do not fit, or are not for vLLM.
            ModelError: the base is absent.
            Exception: vLLM cannot load them; its log says why.
        """
        from deployments.engines._vllm_arguments import parse, room_in  # noqa: PLC0415 - see above
        from deployments.engines._vllm_server import VllmServer  # noqa: PLC0415 - see above

        model = await asyncio.to_thread(resolve, self._first.model, self._context.cache_dir)
        found = await _adapters(self._specs.values())
        arguments = parse(
            self._options[self._first.name].arguments,
            model,
            list({adapter.path: adapter for adapter in found.values() if adapter}.values()),
            num_gpus=self._first.resources.num_gpus,
        )
        room = room_in(arguments)
        room.require_ranks(found)
        server = await VllmServer.start(arguments)
        try:
            adapters = Adapters(server, room)
            served = await adapters.follow(found)
        except BaseException:
            await server.stop()
            raise
        self._loaded = _Loaded(server, adapters, served, self._models(found, served))

    async def update(self, specs: Sequence[ModelSpec]) -> None:
        """See `LiveEngine`; what leaves ends with its last request."""
        options = _options(specs)
        if self._loaded is None:
            self._take(specs, options)
            return
        found = await _adapters(specs)
        served = await self._loaded.adapters.follow(found)
        self._take(specs, options)
        self._loaded = replace(self._loaded, served=served, models=self._models(found, served))

    def _take(self, specs: Sequence[ModelSpec], options: Mapping[str, VllmOptions]) -> None:
        self._specs, self._options = {spec.name: spec for spec in specs}, options
        self._first = specs[0]
        self._recorders = {name: self._recorders.get(name) or LoadRecorder() for name in options}

    def _models(
        self, adapters: Mapping[str, Adapter | None], served: Mapping[str, Served]
    ) -> Mapping[str, ServedModel]:
        return {
            name: _served(spec, self._options[name], served[name].name, adapters[name])
            for name, spec in self._specs.items()
        }

    async def stop(self) -> None:
        """Ends the engine; requests in flight fail with `Unavailable`."""
        if self._loaded is not None:
            loaded, self._loaded = self._loaded, None
            loaded.adapters.stop()
            await loaded.server.stop()

    async def health(self, model: str) -> None:
        """Raises `Unavailable` unless the model is loaded and its engine lives."""
        self._ready(model).server.require_alive(model)

    async def alive(self) -> None:
        """Raises `Unavailable` if the engine is dead, or makes no progress."""
        name = self._first.name
        server = self._ready(name).server
        server.require_alive(name)
        silent = server.silent_seconds()
        if silent > self._options[name].stall_seconds:
            raise Unavailable(name, f"the engine made no progress for {silent:.0f} s")

    async def load(self, model: str) -> Load:
        """See `Backend`. Requests that wait in vLLM count as running."""
        counts = self._recorders[model].load()
        if self._loaded is None:
            return counts
        server = self._loaded.server
        return replace(counts, slots=self._slots(server), engine=server.stats.snapshot())

    def _slots(self, server: "VllmServer") -> int:
        """Those of a pass; but where the KV cache is full, those that have room in it."""
        told = server.stats.snapshot()
        if told.kv_cache_usage_ratio < _FULL_CACHE or not told.waiting_requests:
            return server.slots
        running = sum(recorder.load().running for recorder in self._recorders.values())
        return min(max(1, running - told.waiting_requests), server.slots)

    async def cards(self) -> tuple[ModelCard, ...]:
        """See `Backend`."""
        context = None if self._loaded is None else self._loaded.server.context_tokens
        return tuple(
            ModelCard(name, "vllm", spec.model, spec.adapter, context)
            for name, spec in self._specs.items()
        )

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yields the answer as it comes.

        Raises:
            InvalidPrompt: the request, or its length, cannot be served.
            DeadlineExceeded: it took longer than the request allows.
            Unavailable: the engine stopped, or failed.
        """
        require_kind(self._first, request, streamed=True)
        with self._answering(request) as (answer, work):
            async with aclosing(answer.chunks(work)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def complete(self, request: ModelRequest) -> Chunk:
        """The whole answer.

        Raises:
            DeadlineExceeded: nothing was said within `first_token_seconds`, or all of it not within
                the deadline.
            BackendError: as `stream`.
        """
        if request.operation == "count_tokens":
            return await self._counted(as_chat(request))
        require_kind(self._first, request)
        with self._answering(request) as (answer, work):
            async with within_first_token(request) as said, aclosing(answer.events()) as events:
                async for data in events:
                    said()
                    answer.whole.feed(data)
                    work.tokens = answer.whole.tokens
            chunk = answer.whole.end(answer.seconds)
            work.tokens = chunk.tokens
            return answer.completed(chunk)

    async def _counted(self, chat: ModelRequest) -> Chunk:
        """The number of tokens of a chat's prompt."""
        require_kind(self._first, chat)
        with self._answering(chat) as (answer, _):
            return counted(await answer.count())

    @contextmanager
    def _answering(self, request: ModelRequest) -> Iterator[tuple["_Answer", Work]]:
        """The answer to a request, whose adapter stays until it ends."""
        loaded = self._ready(request.model)
        answer = _Answer(request, loaded, self._clock)
        recorder = self._recorders[request.model]
        with loaded.served[request.model].used(), recorder.track(request.request_id) as work:
            yield answer, work

    def _ready(self, model: str) -> _Loaded:
        """What is loaded; raises `Unavailable` unless the model is."""
        if self._loaded is None or model not in self._specs:
            raise Unavailable(model, "the model is not loaded")
        return self._loaded


class _Answer:
    """The answer to one request, while it comes.

    Attributes:
        whole: reads it whole.
        seconds: that the engine worked for it, once it has ended.
    """

    def __init__(self, request: ModelRequest, loaded: _Loaded, clock: WorkClock) -> None:
        model = loaded.models[request.model]
        self._request, self._server, self._clock = request, loaded.server, clock
        self._asked = read_request(request, model, loaded.server.control_tokens)
        self._fitted = FittedAnswer(loaded.server, request, self._asked)
        wanted = self._asked.wanted
        self._streamed, self.whole = StreamedAnswer(request, wanted), WholeAnswer(request, wanted)
        self._filter = CompletionFilter(model.completion, request)
        self._within = within_deadline(request)
        self.seconds = 0.0

    async def events(self) -> AsyncGenerator[bytes]:
        """The bytes of vLLM's events. Answers share the engine's time by the tokens of theirs."""
        worked = WorkedTokens()
        self._clock.begin(self)
        try:
            async with aclosing(self._fitted.events()) as events:
                while True:
                    async with self._within():
                        data = await anext(events, None)
                    if data is None:
                        return
                    self._clock.report(self, worked.of(data))
                    yield data
        finally:
            self.seconds = self._clock.end(self)

    async def chunks(self, work: Work) -> AsyncGenerator[Chunk]:
        """The chunks of a streamed answer; counts their tokens."""
        async with aclosing(self.events()) as events:
            async for data in events:
                for chunk in self._streamed.feed(data):
                    work.tokens = self._streamed.tally.tokens
                    yield self.completed(chunk)
        for chunk in self._streamed.end(self.seconds):
            work.tokens, work.finished = self._streamed.tally.tokens, chunk.usage is not None
            yield self.completed(chunk)

    def completed(self, chunk: Chunk) -> Chunk:
        """A chunk as it goes out; the first one tells what was clamped."""
        not_applied, self._fitted.not_applied = self._fitted.not_applied, ()
        return replace(self._filter.apply(chunk), not_applied=not_applied)

    async def count(self) -> int:
        """The tokens of the prompt."""
        async with self._within():
            return await self._server.count(self._request, self._asked.limited_to(None))


def _options(specs: Sequence[ModelSpec]) -> dict[str, VllmOptions]:
    return {spec.name: vllm_options(spec) for spec in specs}


async def _adapters(specs: Collection[ModelSpec]) -> dict[str, Adapter | None]:
    """The adapter of each model; None of one without. Reads their files."""
    ranked = await asyncio.to_thread(adapters_of, specs, Adapter.rank)
    return {spec.name: ranked[spec.name][0] if spec.adapter else None for spec in specs}


def _served(
    spec: ModelSpec, options: VllmOptions, served_name: str, adapter: Adapter | None
) -> ServedModel:
    if adapter is None:
        return ServedModel(options, served_name, spec.system_prompt)
    system_prompt = spec.system_prompt or adapter.system_prompt
    return ServedModel(options, served_name, system_prompt, adapter.complete, adapter.grammar)
