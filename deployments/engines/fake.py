"""A deterministic engine without weights, for tests and load tests.

The same prompt gives the same answer, tokens, log-probabilities and usage, and the same text the
same vector; a document's score is the share of the query's words that it has. The options set the
timing. A token is a word with the white space before it. Sampling settings other than `max_tokens`,
`stop` and `top_logprobs` have no effect.

An answer follows the request's schema, and its calls those of their functions. Unless it has to
call one, the model calls the functions that the last message names, if that is a user's.
"""

import asyncio
import hashlib
import math
import re
import struct
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial

from pydantic import BaseModel, ConfigDict, Field, field_validator
from typing_extensions import override

from deployments.capabilities import capabilities_of
from deployments.capability import Capability
from deployments.embeddings import Input, embeddings_chunk, read_embedding_request, written
from deployments.engine import EngineContext, LoadRecorder, Work, parse_options, require_kind
from deployments.engines._fake_text import text_of
from deployments.engines._group import EngineGroup
from deployments.engines._slots import Slots
from deployments.generation import Piece, Prompt, TokenLogprob, with_system_prompt
from deployments.models.adapters import completion_of
from deployments.protocol import (
    Chunk,
    DeadlineExceeded,
    Load,
    ModelCard,
    ModelRequest,
    Overloaded,
    PromptTooLong,
    Unavailable,
    Usage,
)
from deployments.reranking import read_rerank_request, rerank_chunk
from deployments.spec import ModelSpec
from deployments.stops import StopScanner
from deployments.tagged_calls import begun
from deployments.text_backend import TextBackend

_TOKEN = re.compile(r"\s*\S+|\s+$")
_DIMENSIONS = 8


class FakeOptions(BaseModel):
    """`engine_options` of the fake engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reply: str = Field(
        default="{model} answers {digest} to: {message}",
        description="the answer; {model}, {message} (the last), {digest} (of all) are filled in",
    )
    first_token_seconds: float = Field(default=0, ge=0, description="before the first token")
    token_seconds: float = Field(default=0, ge=0, description="before each further token")
    parallel_requests: int | None = Field(
        default=None,
        ge=1,
        description="requests at once of all models of the process; others wait; None: no limit",
    )
    overloaded: bool = Field(default=False, description="refuse every request as overloaded")
    unavailable_after: int | None = Field(
        default=None, ge=0, description="requests accepted before the engine fails its health check"
    )
    max_context_tokens: int | None = Field(
        default=None, ge=1, description="prompt and answer together; None: no limit"
    )
    break_after_tokens: int | None = Field(
        default=None, ge=0, description="tokens of each answer before the engine fails"
    )
    recorded_requests: int = Field(
        default=0, ge=0, le=1000, description="requests to keep, the last ones, for tests to read"
    )

    @field_validator("reply")
    @classmethod
    def _fillable(cls, reply: str) -> str:
        try:
            reply.format(model="", message="", digest="")
        except (LookupError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{reply!r} cannot be filled in ({error}); {{model}}, {{message}}, {{digest}} exist"
            ) from error
        return reply


def create(
    specs: Sequence[ModelSpec],
    context: EngineContext,  # noqa: ARG001 - no files
) -> EngineGroup["FakeModel"]:
    """Builds the engine; raises ValueError naming a wrong option."""
    parallel = parse_options(FakeOptions, specs[0]).parallel_requests
    return EngineGroup(specs, partial(FakeModel, None if parallel is None else Slots(parallel)))


class FakeEngine:
    """One model of the fake engine; always ready.

    Args:
        spec: the model.
        options: its timing.
        slots: what it shares with the other models of its process; None: there is always one.

    Attributes:
        spec: the model.
    """

    def __init__(self, spec: ModelSpec, options: FakeOptions, slots: Slots | None = None) -> None:
        self.spec, self._options, self._slots = spec, options, slots
        self._record = LoadRecorder()
        self._taken = 0

    async def start(self) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to free."""

    async def health(self) -> None:
        """Raises `Unavailable` after `unavailable_after` requests."""
        limit = self._options.unavailable_after
        if limit is not None and self._taken >= limit:
            raise Unavailable(self.spec.name, f"unavailable_after={limit}")

    async def alive(self) -> None:
        """Never raises: a restart does not change the options."""

    async def load(self) -> Load:
        """The counts of this model."""
        waiting = 0 if self._slots is None else self._slots.waiting(self.spec.name)
        return self._record.load(waiting, self._options.parallel_requests)

    async def model_card(self) -> ModelCard:
        """The card, from the spec."""
        spec = self.spec
        context = self._options.max_context_tokens
        return ModelCard(spec.name, "fake", spec.model, spec.adapter, context, batch_invariant=True)

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yields one piece per token, then one with the finish reason and the usage."""
        with self._record.track(prompt.request_id) as work:
            await self._admit()
            async with (
                self._slot(prompt.client, prompt.deadline_seconds) as left,
                aclosing(self._said(prompt, work, left)) as pieces,
            ):
                async for piece in pieces:
                    yield piece

    async def _said(
        self, prompt: Prompt, work: Work, deadline_seconds: float | None
    ) -> AsyncGenerator[Piece]:
        full_prompt = with_system_prompt(prompt, self.spec.system_prompt)
        reply, limit = _tokens(self._reply(full_prompt)), prompt.sampling.max_tokens
        room = self._room(full_prompt)
        clamped = limit is not None and limit > room
        shown = reply[: room if limit is None else min(limit, room)]
        scanner = StopScanner(prompt.sampling.stop)
        for index, token in enumerate(shown):
            await self._wait(index, deadline_seconds)
            work.tokens += 1
            text = scanner.push(token)
            logprobs = _logprobs(token, prompt.sampling.top_logprobs)
            yield Piece(text, 1, logprobs=logprobs, clamped=clamped and index == 0)
            if scanner.stopped:
                break
        cut = not scanner.stopped and len(shown) < len(reply)
        work.finished = True
        yield Piece(
            text="" if scanner.stopped else scanner.flush(),
            finish_reason="length" if cut else "stop",
            stop_reason=scanner.found,
            usage=self._usage(full_prompt, work.tokens),
        )

    async def compute(self, request: ModelRequest) -> Chunk:
        """What a request about inputs asks of them; all take the time of a first token together."""
        require_kind(self.spec, request)
        answer = _vectors if request.operation == "embedding" else _ranking
        chunk = answer(request, self._seconds(1))
        with self._record.track(request.request_id):
            await self._admit()
            limits = (request.deadline_seconds, request.first_token_seconds)
            limit = min((of for of in limits if of is not None), default=None)
            async with self._slot(request.client, limit) as left:
                await self._wait(0, left)
            return chunk

    async def _admit(self) -> None:
        if self._options.overloaded:
            raise Overloaded(self.spec.name, self._record.load().running, 1.0)
        await self.health()
        self._taken += 1

    @asynccontextmanager
    async def _slot(
        self, client: str, deadline_seconds: float | None
    ) -> AsyncIterator[float | None]:
        """Holds a slot; gives what is left of the deadline."""
        if self._slots is None:
            yield deadline_seconds
            return
        name, loop = self.spec.name, asyncio.get_running_loop()
        before = loop.time()
        try:
            async with asyncio.timeout(deadline_seconds):
                slot = await self._slots.take(name, client)
        except TimeoutError:
            raise DeadlineExceeded(name, deadline_seconds or 0.0) from None
        try:
            yield None if deadline_seconds is None else deadline_seconds - (loop.time() - before)
        finally:
            self._slots.give_back(name, slot)

    async def _wait(self, index: int, deadline_seconds: float | None) -> None:
        """Waits until token `index` is due; raises the failure that comes before it."""
        if index == self._options.break_after_tokens:
            raise Unavailable(self.spec.name, f"break_after_tokens={index}")
        before, due = self._seconds(index), self._seconds(index + 1)
        if deadline_seconds is not None and due > deadline_seconds:
            await asyncio.sleep(max(0.0, deadline_seconds - before))
            raise DeadlineExceeded(self.spec.name, deadline_seconds)
        await asyncio.sleep(due - before)

    def _seconds(self, tokens: int) -> float:
        """The time for this number of tokens."""
        options = self._options
        return options.first_token_seconds + (tokens - 1) * options.token_seconds if tokens else 0.0

    def _reply(self, prompt: Prompt) -> str:
        messages = [f"{message.role}\n{message.content}\n" for message in prompt.messages]
        text = "".join(messages) if prompt.text is None else prompt.text
        last = prompt.messages[-1].content if prompt.messages else text
        digest = hashlib.sha256(f"{self.spec.name}\n{text}".encode()).hexdigest()[:8]
        called = _called(prompt)
        if prompt.form is not None and (called or not prompt.form.text):
            return text_of(prompt.form, digest, called)
        return self._options.reply.format(model=self.spec.name, message=last, digest=digest)

    def _room(self, prompt: Prompt) -> int:
        """The tokens that fit beside the prompt; raises `PromptTooLong` if none does."""
        context, tokens = self._options.max_context_tokens, _prompt_tokens(prompt)
        if context is None:
            return sys.maxsize
        if tokens >= context:
            reason = f"{tokens} tokens > {context} maximum"
            parameter = "messages" if prompt.messages else "prompt"
            raise PromptTooLong(parameter, reason, prompt_tokens=tokens)
        return context - tokens

    def _usage(self, prompt: Prompt, tokens: int) -> Usage:
        return Usage(
            prompt_tokens=_prompt_tokens(prompt),
            completion_tokens=tokens,
            engine_seconds=self._seconds(tokens),
            prefill_seconds=self._options.first_token_seconds,
        )


class FakeModel(TextBackend):
    """One model, in OpenAI's words.

    Args:
        slots: what it shares with the other models of its process; None: there is always one.
        spec: the model.

    Attributes:
        requests: the last ones that reached it, as many as `recorded_requests`.

    Raises:
        ValueError: an option is wrong; the message names it.
    """

    def __init__(self, slots: Slots | None, spec: ModelSpec) -> None:
        options = parse_options(FakeOptions, spec)
        self._fake = FakeEngine(spec, options, slots)
        images = Capability.IMAGES in capabilities_of(spec)
        super().__init__(self._fake, completion_of(spec.adapter), images=images)
        self.requests: deque[ModelRequest] = deque(maxlen=options.recorded_requests)

    @override
    async def complete(self, request: ModelRequest) -> Chunk:
        self.requests.append(request)
        if self._fake.spec.kind == "generation":
            return await super().complete(request)
        return await self._fake.compute(request)

    @override
    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        self.requests.append(request)
        require_kind(self._fake.spec, request, streamed=True)
        async with aclosing(super().stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _prompt_tokens(prompt: Prompt) -> int:
    texts = [message.content for message in prompt.messages] or [prompt.text or ""]
    return sum(len(_tokens(text)) for text in texts)


def _called(prompt: Prompt) -> list[str]:
    """How the calls begin of the functions that the last message names."""
    last = prompt.messages[-1] if prompt.messages else None
    if last is None or last.role != "user":
        return []
    calls = [begun(name) for name in prompt.functions if name in last.content]
    return [*calls[:1], *(f"\n{call}" for call in calls[1:])]


def _vectors(request: ModelRequest, seconds: float) -> Chunk:
    asked = read_embedding_request(request)
    vectors = [written(_vector(given), asked.encoding_format) for given in asked.inputs]
    tokens = sum(len(_tokens(of) if isinstance(of, str) else of) for of in asked.inputs)
    return embeddings_chunk(request, vectors, Usage(tokens, 0, engine_seconds=seconds))


def _ranking(request: ModelRequest, seconds: float) -> Chunk:
    asked = read_rerank_request(request)
    wanted = set(asked.query.split())
    shares = [len(wanted & set(of.split())) / max(1, len(wanted)) for of in asked.documents]
    tokens = sum(len(_tokens(text)) for of in asked.documents for text in (asked.query, of))
    return rerank_chunk(request, shares, Usage(tokens, 0, engine_seconds=seconds))


def _vector(given: Input) -> tuple[float, ...]:
    """A vector of length one, in float32."""
    digest = hashlib.sha256(repr(given).encode()).digest()
    drawn = [value / 2**31 for value in struct.unpack(f"<{_DIMENSIONS}i", digest)]
    length = math.hypot(*drawn)
    packed = struct.pack(f"<{_DIMENSIONS}f", *(value / length for value in drawn))
    return struct.unpack(f"<{_DIMENSIONS}f", packed)


def _logprobs(token: str, top: int | None) -> tuple[TokenLogprob, ...]:
    """The token gets more than half of the probability, each alternative half of the rest."""
    if top is None:
        return ()
    share = 0.5 + hashlib.sha256(token.encode()).digest()[0] / 512
    others = [(f"{token}~{index}", (1 - share) / 2**index) for index in range(1, top)]
    likeliest = [(token, share), *others][:top]
    return (TokenLogprob(token, math.log(share), tuple((t, math.log(p)) for t, p in likeliest)),)
