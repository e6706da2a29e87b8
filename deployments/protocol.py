"""The narrow waist: all that the layers above may know about a model.

An engine, a model on Ray Serve and a fake in a test are all a `Backend`. Values are frozen and
cross process borders; errors carry facts, and the edge turns them into words.

    BackendError
    |-- InvalidPrompt      the model cannot serve the request; `parameter` names the reason
    |   `-- PromptTooLong  it exceeds the model's context; another model's may be longer
    |-- Overloaded         its queue is full; retry after some seconds
    |-- Unavailable        no live replica or engine
    `-- DeadlineExceeded   not complete within the deadline
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose tokens. `temperature` 0 is greedy, None what the model's operator has set;
    `max_tokens` None means as many as fit the context.

    `top_logprobs` None asks for no log-probabilities, 0 for those of the chosen tokens alone.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked: either a chat (`messages`) or a bare `text` to be continued, never
    both.

    `deadline_seconds` counts from the moment the engine takes the prompt: clocks differ between
    nodes. `trace` are the headers that continue the request's trace (W3C) at another server.
    """

    request_id: str
    messages: tuple[Message, ...] = ()
    text: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    deadline_seconds: float | None = None
    trace: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if bool(self.messages) == (self.text is not None):
            raise ValueError("a prompt is either messages or text")


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token's text, its natural log-probability before sampling, and the likeliest
    alternatives."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the model's own tokenizer, and the seconds its engine worked for this
    request.

    `prefill_seconds` passed from the beginning of that work to the first piece; None: not known.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    engine_seconds: float = 0.0
    prefill_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. The last one alone has `finish_reason` and `usage`."""

    text: str = ""
    tokens: int = 0
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """The counts of one replica, as it reports them itself."""

    running: int = 0
    queued: int = 0
    completed: int = 0
    cancelled: int = 0
    failed: int = 0
    generated_tokens: int = 0
    recent_request_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is: its name, engine, weights and context length in tokens (None: not known
    here)."""

    name: str
    engine: str
    model: str
    adapter: str | None = None
    max_context_tokens: int | None = None


class BackendError(Exception):
    """Any failure of a model that its caller may handle."""


class InvalidPrompt(BackendError):
    """The model cannot serve this request; `parameter` is named as in the OpenAI API."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(parameter, reason)
        self.parameter, self.reason = parameter, reason


class PromptTooLong(InvalidPrompt):
    """Prompt and answer together exceed the model's context."""


class Overloaded(BackendError):
    """The model's queue is full."""

    def __init__(self, model: str, queued: int, retry_after_seconds: float) -> None:
        super().__init__(model, queued, retry_after_seconds)
        self.model, self.queued, self.retry_after_seconds = model, queued, retry_after_seconds


class Unavailable(BackendError):
    """No live replica could answer, or it died while answering."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason


class DeadlineExceeded(BackendError):
    """The answer was not complete before its deadline."""

    def __init__(self, model: str, seconds: float) -> None:
        super().__init__(model, seconds)
        self.model, self.seconds = model, seconds


class Backend(Protocol):
    """A model that can be asked. Closing `stream` early (`aclose`) stops the generation and frees
    its slot."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk]:
        """Yields the answer in pieces; raises a `BackendError`, before the first piece where it
        can."""

    async def health(self) -> None:
        """Returns when the model can answer, else raises `Unavailable`."""

    async def load(self) -> Load:
        """The counts of the replica that is asked."""

    async def model_card(self) -> ModelCard:
        """What is being served."""
