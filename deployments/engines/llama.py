"""llama.cpp in this process: quantised models on a CPU, or on a GPU where its build has one.

It speaks OpenAI's words itself, so requests and answers pass as the JSON that they are, with the
few edits of `_llama_requests` and `_llama_answers`. One process holds one base and any number of
its adapters; a request's model says which one applies. Requests of one adapter share forward
passes.

Answers are streamed inside, whole ones too: so each can be stopped, also while its prompt is read.
A process that computes embeddings, or ranks, answers nothing else.
The same prompt with the same seed gives the same answer if it is alone; beside others the last
digits of its numbers may differ.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from deployments.answer_forms import FormCheck
from deployments.completions import CompletionFilter
from deployments.deadline import within_deadline, within_first_token
from deployments.engine import (
    Engine,
    EngineContext,
    LoadRecorder,
    Work,
    parse_options,
    require_kind,
)
from deployments.engines._llama_answers import AnswerWriter, ChoiceReader, Said
from deployments.engines._llama_counting import until_counted
from deployments.engines._llama_errors import Refused, Stopped, refusal
from deployments.engines._llama_inputs import Inputs, read_found, read_inputs
from deployments.engines._llama_loading import Loaded, load
from deployments.engines._llama_options import LlamaOptions
from deployments.engines._llama_platform import missing
from deployments.engines._llama_requests import LlamaRequest, read_request
from deployments.merging import merged, summed
from deployments.prompt_texts import require_room
from deployments.protocol import (
    KINDS,
    Chunk,
    Load,
    ModelCard,
    ModelRequest,
    Unavailable,
    Usage,
)
from deployments.spec import ModelSpec
from deployments.token_counts import as_chat, counted


def create(specs: Sequence[ModelSpec], context: EngineContext) -> Engine:
    """The engine for models of one base; `start` loads it.

    Raises:
        ValueError: an option is invalid, or this machine cannot run llama.cpp.
    """
    return LlamaEngine({spec.name: spec for spec in specs}, context)


class LlamaEngine:
    """Serves one base, and the adapters of the models that share it.

    Args:
        specs: the models by name, at least one. They have the same base and kind and, but for the
            `default_` ones, the same options.
        context: where files are kept.

    Raises:
        ValueError: an option is invalid, or this machine cannot run llama.cpp.
    """

    def __init__(self, specs: Mapping[str, ModelSpec], context: EngineContext) -> None:
        self._specs, self._context = specs, context
        self._options = {name: parse_options(LlamaOptions, spec) for name, spec in specs.items()}
        self._first = next(iter(specs.values()))
        for name, spec in specs.items():
            same = self._options[name].shared() == self._options[self._first.name].shared()
            if not same or (spec.model, spec.kind) != (self._first.model, self._first.kind):
                raise ValueError(
                    f"model {name!r} has another base, kind or other engine_options than "
                    f"{self._first.name!r}, with which it shares a process"
                )
        if self._first.kind != "embedding" and self._options[self._first.name].pooling:
            raise ValueError(f"engine_options.pooling: no effect on kind {self._first.kind}")
        if context.here and (lacking := missing()):
            raise ValueError(
                f"engine: llama cannot run here: {lacking}; run the model's server on another "
                "machine, and name it with engine: openai"
            )
        self._recorders = {name: LoadRecorder() for name in specs}
        self._loaded: Loaded | None = None

    async def start(self) -> None:
        """Converts adapters that are new, and loads the model."""
        self._loaded = await asyncio.to_thread(load, self._specs, self._options, self._context)

    async def stop(self) -> None:
        """Stops the server; requests in flight fail with `Unavailable`."""
        if self._loaded is not None:
            loaded, self._loaded = self._loaded, None
            await loaded.server.stop()

    async def health(self, model: str) -> None:
        """Raises `Unavailable` unless the model is loaded."""
        self._ready(model)

    async def alive(self) -> None:
        """Raises `Unavailable` if the model is not loaded, or makes no progress."""
        name = self._first.name
        idle = self._ready(name).server.stalled_seconds()
        if idle > self._options[name].stall_seconds:
            raise Unavailable(name, f"the engine made no progress for {idle:.0f} s")

    async def load(self, model: str) -> Load:
        """See `Backend`."""
        waiting = 0 if self._loaded is None else self._loaded.server.waiting(model)
        slots = self._options[model].parallel_requests
        room = None if self._loaded is None else self._loaded.room
        return replace(self._recorders[model].load(waiting, slots), room=room)

    async def cards(self) -> tuple[ModelCard, ...]:
        """See `Backend`."""
        context = self._options[self._first.name].max_context_tokens
        if self._loaded is not None:
            context = self._loaded.context_tokens
        return tuple(
            ModelCard(name, "llama", spec.model, spec.adapter, context)
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
        answer = _Answer(request, self._ready(request.model))
        with self._recorders[request.model].track(request.request_id) as work:
            async with aclosing(answer.said(work)) as pieces:
                async for index, said in pieces:
                    if said.shown:
                        yield answer.chunk(index, said, work)
            usage = answer.whole_usage()
            if answer.asked.include_usage:
                yield answer.writer.usage_event(usage)

    async def complete(self, request: ModelRequest) -> Chunk:
        """The whole answer.

        Raises:
            DeadlineExceeded: nothing was said within `first_token_seconds`, or all of it not within
                the deadline.
            BackendError: as `stream`.
        """
        if request.operation == "count_tokens":
            return await self._counted(request)
        require_kind(self._first, request)
        answer = _Answer(request, self._ready(request.model))
        choices: list[list[Said]] = [[] for _ in answer.asked.bodies]
        with self._recorders[request.model].track(request.request_id) as work:
            async with within_first_token(request) as heard, aclosing(answer.said(work)) as pieces:
                async for index, said in pieces:
                    if said.shown:
                        heard()
                        choices[index].append(said)
            return answer.whole(choices)

    async def _counted(self, request: ModelRequest) -> Chunk:
        """The number of tokens of a chat's prompt."""
        require_kind(self._first, as_chat(request))
        answer = _Answer(request, self._ready(request.model))
        with self._recorders[request.model].track(request.request_id) as work:
            async with aclosing(answer.said(work)) as pieces:
                async for _ in pieces:
                    pass
            return counted(answer.whole_usage().prompt_tokens)

    def _ready(self, model: str) -> Loaded:
        """What is loaded; raises `Unavailable` unless the model is."""
        if self._loaded is None or model not in self._specs:
            raise Unavailable(model, "the model is not loaded")
        return self._loaded


class _Answer:
    """The answer to one request, while it comes.

    Args:
        request: what is answered.
        loaded: answers it.

    Attributes:
        asked: the request, as the server takes it.
        writer: writes the chunks.
        filter: completes them.
    """

    def __init__(self, request: ModelRequest, loaded: Loaded) -> None:
        require_room(request, loaded.room)
        # A count is an answer that ends where the tokens of its prompt are known.
        self._counts = request.operation == "count_tokens"
        request = as_chat(request) if self._counts else request
        model = loaded.models[request.model]
        self._request, self._loaded = request, loaded
        self._inputs: Inputs | None = None
        if KINDS[request.operation] != "generation":
            self._inputs = read_inputs(request, loaded.architecture)
        self.asked: LlamaRequest = (
            self._inputs.asked
            if self._inputs
            else read_request(request, model, loaded.control_tokens)
        )
        self.writer = AnswerWriter(
            request,
            include_usage=self.asked.include_usage,
            top_logprobs=self.asked.top_logprobs,
        )
        self.filter = CompletionFilter(model.completion, request)
        self._usages: list[Usage | None] = [None] * len(self.asked.bodies)
        self._within = within_deadline(request)

    async def said(self, work: Work) -> AsyncGenerator[tuple[int, Said]]:
        """What is said of each choice, with its index; counts the tokens."""
        # No more at once than there are slots, or others would wait for all of its inputs.
        at_once = min(self._loaded.server.slots, len(self.asked.bodies))
        waiting = iter(enumerate(self.asked.bodies))
        streams = [self._choices(waiting) for _ in range(at_once)]
        async with aclosing(merged(streams)) as pieces:
            async for _, (index, said) in pieces:
                work.tokens += said.tokens
                self._usages[index] = said.usage or self._usages[index]
                work.finished = None not in self._usages
                yield index, said

    def chunk(self, index: int, said: Said, work: Work) -> Chunk:
        """What was said, as a chunk; the last one has the usage, unless an event of its own has."""
        last = work.finished and not self.asked.include_usage
        chunk = self.writer.event(index, said, self.whole_usage() if last else None)
        return self._clamped(self.filter.apply(chunk))

    def whole(self, choices: Sequence[Sequence[Said]]) -> Chunk:
        """The whole answer; `choices[i]` is all that was said of choice i."""
        usage = self.whole_usage()
        if self._inputs:
            return self._inputs.whole(choices, usage)
        return self._clamped(self.filter.apply(self.writer.whole(choices, usage)))

    def _clamped(self, chunk: Chunk) -> Chunk:
        """The chunk that knows the prompt's tokens, with the limit that does not fit beside them:
        the server ends an answer where its context ends."""
        limit, prompt = self.asked.limit, chunk.prompt_tokens
        if limit is None or prompt is None or prompt + limit[1] <= self._loaded.context_tokens:
            return chunk
        return replace(chunk, not_applied=(limit[0],))

    def whole_usage(self) -> Usage:
        """The usage of all choices; raises `Unavailable` if one broke off."""
        known = [usage for usage in self._usages if usage is not None]
        if len(known) < len(self._usages):
            raise Unavailable(self._request.model, "its answer broke off")
        return summed(known, self.asked.n)

    async def _choices(
        self, waiting: Iterator[tuple[int, bytes]]
    ) -> AsyncGenerator[tuple[int, Said]]:
        """What is said of one choice after the other, as long as one waits."""
        for index, body in waiting:
            async with aclosing(self._choice(body)) as pieces:
                async for said in pieces:
                    yield index, said

    async def _reader(self) -> Callable[[bytes], Said]:
        """Reads what comes of one choice; raises `InvalidPrompt` for a form that cannot be kept."""
        if self._inputs:
            return partial(read_found, self._request)
        form, check = self.asked.form, None
        if form is not None:  # a large schema takes a while
            check = await asyncio.to_thread(FormCheck, form, self._request.model)
        read = ChoiceReader(self._request, self.asked, check).read
        return until_counted(read) if self._counts else read

    async def _choice(self, body: bytes) -> AsyncGenerator[Said]:
        read = await self._reader()
        answer = self._loaded.server.answer(self._request, body, read, self._within)
        try:
            async with aclosing(answer) as pieces:
                async for said in pieces:
                    yield said
        except Refused as error:
            raise refusal(str(error), self.asked.parameter) from None
        except Stopped:
            raise Unavailable(self._request.model, "the engine was stopped") from None
