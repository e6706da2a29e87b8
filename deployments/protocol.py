"""The model protocol: the only interface between models and the layers above.

It is in OpenAI's own words, and in Jina's for reranking, which OpenAI lacks: a request travels as
the bytes of an OpenAI request, an answer as the bytes of OpenAI's chunks, with typed facts beside
them. What lies between reads the facts and forwards the bytes. An engine, a model on Ray Serve, an
upstream and a fake in a test all implement `Backend`. Values are frozen; errors carry facts, and
the gateway writes the messages.

    BackendError
    |-- InvalidPrompt      the model cannot serve the request; `parameter` names the reason
    |   `-- PromptTooLong  it exceeds the model's context; another model may have a longer one
    |-- Overloaded         the wait is too long; retry after some seconds
    |-- Unavailable        no live replica or engine
    `-- DeadlineExceeded   not complete within the deadline
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from deployments.prompt_room import PromptRoom

Operation = Literal["chat", "completion", "embedding", "rerank", "count_tokens"]
"""What is asked: `POST /v1/chat/completions`, `POST /v1/completions`, `POST /v1/embeddings`,
`POST /v1/rerank`, or how many tokens a chat's prompt has. The last three are always answered
whole."""

INPUTS: Mapping[Operation, str] = {
    "chat": "messages",
    "completion": "prompt",
    "embedding": "input",
    "rerank": "documents",
    "count_tokens": "messages",
}
"""The parameter that holds what a request is about."""

Kind = Literal["generation", "embedding", "reranking"]
"""What a model gives: text, vectors, or how relevant documents are."""

KINDS: Mapping[Operation, Kind] = {
    "chat": "generation",
    "completion": "generation",
    "embedding": "embedding",
    "rerank": "reranking",
    "count_tokens": "generation",
}
"""Of the models that serve a request."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is `system`, `user`, `assistant` or `tool`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request to one model.

    Attributes:
        request_id: for logs and for an upstream's.
        model: its name in `niche.yaml`.
        operation: which endpoint's words the body and the answer are in.
        body: the OpenAI request as JSON: an object without `model` and `stream`, checked at the
            edge.
        stream: whether the client wants a stream.
        response_id: the `id` of the answer.
        created: its `created`, in Unix seconds.
        deadline_seconds: from the receipt of the request, since clocks differ between nodes; None:
            no limit.
        first_token_seconds: the limit for the first token of a whole answer, which only the engine
            sees; None: no limit.
        max_wait_seconds: how long it may wait for a slot; 0: it takes only one for which nobody
            else waits; None: as long as its deadline allows.
        clamp_max_tokens: whether an answer may be shorter than the request's limit allows, where
            the context has no room for that beside the prompt.
        trace: W3C headers that continue the request's trace at another server.
        client: what stands for the client among those who wait; empty: nobody in particular.
    """

    request_id: str
    model: str
    operation: Operation
    body: bytes
    stream: bool = False
    response_id: str = ""
    created: int = 0
    deadline_seconds: float | None = None
    first_token_seconds: float | None = None
    max_wait_seconds: float | None = None
    clamp_max_tokens: bool = False
    trace: tuple[tuple[str, str], ...] = ()
    client: str = field(default="", repr=False)


UsageFault = Literal["invalid", "too_many", "contradictory"]
"""What is wrong with what an upstream says that it used: no number of tokens, more than the request
allows, more cached ones than there are or another sum."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the model's own tokenizer, and the seconds its engine worked for this
    request.

    `prefill_seconds`: from the start of that work to the first chunk; None: unknown. `faults`: of
    what an upstream said; the numbers here are without them.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    engine_seconds: float = 0.0
    prefill_seconds: float | None = None
    faults: tuple[UsageFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed answer, or one whole answer.

    Attributes:
        data: OpenAI's chunk, or its whole answer: a JSON object, ready to be sent. Its `id`,
            `created` and `model` are the request's. It has a `usage` only as the client asked.
            Empty: a sign of life of a model that says nothing yet, which is never sent.
        output: whether it holds something that the model said: text, reasoning, a tool call.
        prompt_tokens: on the first chunk, if known by then.
        tokens: generated in this chunk; an answer that is cut off is billed by their sum.
        finish_reasons: of the choices that end here, by their index.
        not_applied: on the first chunk, the parameters that the model clamped or left out.
        usage: on the last chunk, and only there: a stream without it was cut off.
    """

    data: bytes
    output: bool = True
    prompt_tokens: int | None = None
    tokens: int = 0
    finish_reasons: tuple[tuple[int, str], ...] = ()
    not_applied: tuple[str, ...] = ()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine tells about itself; sums count from its start.

    Attributes:
        kv_cache_usage_ratio: the share of the KV cache that is in use.
        waiting_requests: those of all its models that wait for room.
        prefix_cache_queried_tokens: prompt tokens that were looked for in the KV cache.
        prefix_cache_hit_tokens: those of them that were there.
        preemptions: requests that had to give back their room and begin again.
    """

    kv_cache_usage_ratio: float = 0.0
    waiting_requests: int = 0
    prefix_cache_queried_tokens: int = 0
    prefix_cache_hit_tokens: int = 0
    preemptions: int = 0


@runtime_checkable
class TellsExpectedWait(Protocol):
    """A backend that knows how long requests would wait."""

    def expected_wait(self, model: str) -> float:
        """Seconds that one more request would wait for a slot."""


@runtime_checkable
class TellsEngineStats(Protocol):
    """A backend that knows what the engines of its replicas told last."""

    @property
    def engine_stats(self) -> tuple[EngineStats, ...]:
        """One per replica whose engine tells something."""


@runtime_checkable
class TellsRoom(Protocol):
    """A backend that knows which prompts cannot fit its models."""

    @property
    def room(self) -> PromptRoom | None:
        """Of each of its models; None: not known yet, or not at all."""


@dataclass(frozen=True, slots=True)
class Load:
    """The counts of one model's requests in one replica.

    Attributes:
        running: those that it has, also those that wait in it.
        queued: those of them that wait.
        completed, cancelled, failed, generated_tokens: since its start.
        recent_tokens: generated so far, of the last requests by their id.
        slots: how many it works on at once, all its models together; None: unknown.
        engine: what is known of the engine that all its models share; None: nothing.
        room: for a prompt of any of them; None: unknown.
    """

    running: int = 0
    queued: int = 0
    completed: int = 0
    cancelled: int = 0
    failed: int = 0
    generated_tokens: int = 0
    recent_tokens: Mapping[str, int] = field(default_factory=dict)
    slots: int | None = None
    engine: EngineStats | None = None
    room: PromptRoom | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model's name, engine, weights and context length in tokens (None:
    unknown).

    `batch_invariant`: whether its answers never depend on what else is answered at the same time.
    """

    name: str
    engine: str
    model: str
    adapter: str | None = None
    max_context_tokens: int | None = None
    batch_invariant: bool = False


class BackendError(Exception):
    """A failure of a model that the caller may handle."""


class InvalidPrompt(BackendError):
    """The model cannot serve this request; `parameter` is named as in the OpenAI API.

    The client gets to see the reason; `detail`, an upstream's own words, is only for the log.
    """

    def __init__(self, parameter: str, reason: str, detail: str = "") -> None:
        super().__init__(*((parameter, reason, detail) if detail else (parameter, reason)))
        self.parameter, self.reason, self.detail = parameter, reason, detail


class PromptTooLong(InvalidPrompt):
    """Prompt and answer together exceed the model's context."""

    def __init__(
        self, parameter: str, reason: str, detail: str = "", prompt_tokens: int | None = None
    ) -> None:
        # `prompt_tokens`: how many the prompt has; None: nobody counted them.
        super().__init__(parameter, reason, detail)
        self.prompt_tokens = prompt_tokens
        if prompt_tokens is not None:
            self.args = (parameter, reason, detail, prompt_tokens)


class Overloaded(BackendError):
    """The request would wait too long for a slot of its model."""

    def __init__(
        self, model: str, queued: int, retry_after_seconds: float, cause: str = "queue"
    ) -> None:
        # `cause`: see `deployments.admission`; `queue` also where the model itself refuses.
        super().__init__(model, queued, retry_after_seconds, cause)
        self.model, self.queued, self.cause = model, queued, cause
        self.retry_after_seconds = retry_after_seconds


STARTING = "it is starting"
"""How the reason begins of a model that may still come up by itself."""


class Unavailable(BackendError):
    """No live replica could answer, or it died while answering."""

    def __init__(self, model: str, reason: str, retry_after_seconds: float | None = None) -> None:
        # `retry_after_seconds`: as an upstream said; None: it did not.
        said = () if retry_after_seconds is None else (retry_after_seconds,)
        super().__init__(model, reason, *said)
        self.model, self.reason, self.retry_after_seconds = model, reason, retry_after_seconds


class DeadlineExceeded(BackendError):
    """The answer was not complete before its deadline."""

    def __init__(self, model: str, seconds: float) -> None:
        super().__init__(model, seconds)
        self.model, self.seconds = model, seconds


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Who asked left before the whole answer; `tokens` were generated. An argument of the
    cancellation, whose class stays: `asyncio.timeout` knows no other."""

    tokens: int


class Backend(Protocol):
    """A deployment: one or several models that answer requests; `ModelRequest.model` chooses."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yields the answer in chunks. Closing it early (`aclose`) stops the generation and frees
        its slot.

        Raises:
            BackendError: before the first chunk if possible.
        """

    async def complete(self, request: ModelRequest) -> Chunk:
        """The whole answer. Cancelling the call stops the generation and frees its slot.

        Raises:
            BackendError: there is no answer.
            CancelledError: with `Abandoned`, if what was generated until then is known.
        """

    async def health(self, model: str, /) -> None:
        """Returns if the model can answer, else raises `Unavailable`."""

    async def load(self, model: str, /) -> Load:
        """The counts of the model's requests, in the replica that handles the call."""

    async def cards(self) -> tuple[ModelCard, ...]:
        """The cards of the served models."""
