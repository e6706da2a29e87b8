"""The model protocol: the only interface between models and the layers above.

An engine, a model on Ray Serve and a fake in a test all implement `Backend`. Values are frozen and
picklable; errors carry facts, and the gateway writes the messages.

    BackendError
    |-- InvalidPrompt      the model cannot serve the request; `parameter` names the reason
    |   `-- PromptTooLong  it exceeds the model's context; another model may have a longer one
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
    """How to choose tokens. `temperature` 0 is greedy, None the model's default; `max_tokens` None
    means as many as fit the context.

    `top_logprobs` None asks for no log-probabilities, 0 for those of the chosen tokens only.
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
    """The input of a model: either a chat (`messages`) or a bare `text` to continue, never
    both.

    `deadline_seconds` counts from the engine's receipt of the prompt, since clocks differ between
    nodes. `trace` has the W3C headers that continue the request's trace at another server.
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

    `prefill_seconds`: from the start of that work to the first chunk; None: unknown.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    engine_seconds: float = 0.0
    prefill_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. Only the last one has `finish_reason` and `usage`."""

    text: str = ""
    tokens: int = 0
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """The counts that one replica reports."""

    running: int = 0
    queued: int = 0
    completed: int = 0
    cancelled: int = 0
    failed: int = 0
    generated_tokens: int = 0
    recent_request_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model's name, engine, weights and context length in tokens (None:
    unknown)."""

    name: str
    engine: str
    model: str
    adapter: str | None = None
    max_context_tokens: int | None = None


class BackendError(Exception):
    """A failure of a model that the caller may handle."""


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
    """A model that answers prompts. Closing `stream` early (`aclose`) stops the generation and
    frees its slot."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk]:
        """Yields the answer in chunks; raises a `BackendError`, before the first chunk if
        possible."""

    async def health(self) -> None:
        """Returns if the model can answer, else raises `Unavailable`."""

    async def load(self) -> Load:
        """The counts of the replica that handles the call."""

    async def model_card(self) -> ModelCard:
        """The card of the served model."""
