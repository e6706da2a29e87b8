"""What an engine reads and writes that knows text alone: prompts with settings, and pieces of text.

`deployments.text_backend` turns OpenAI's requests into prompts and pieces into OpenAI's chunks.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Protocol

from deployments.answer_forms import Form
from deployments.answer_schemas import FinishReason
from deployments.protocol import Load, Message, ModelCard, Usage
from deployments.tool_calls import Call


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose tokens. `temperature` 0 is greedy; None is the model's default, as of `top_p`;
    `max_tokens` None means as many as fit the context.

    `top_logprobs` None asks for no log-probabilities, 0 for those of the chosen tokens only.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """The input of a model: either a chat (`messages`) or a bare `text` to continue, never
    both.

    Attributes:
        form: what the answer follows; None: nothing.
        functions: the names of those that it may call.
        deadline_seconds: counts from the engine's receipt of the prompt.
        client: who waits for a slot with it; empty: nobody in particular.
    """

    request_id: str
    messages: tuple[Message, ...] = ()
    text: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    form: Form | None = None
    functions: tuple[str, ...] = ()
    deadline_seconds: float | None = None
    client: str = field(default="", repr=False)

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
class Piece:
    """A piece of the answer to one prompt. Only the last one has `finish_reason` and `usage`.

    Attributes:
        calls: what a `TextBackend` finds in the text: engines write calls as
            `deployments/tagged_calls.py` says.
        clamped: on the first piece, whether `max_tokens` are more than fit the context.
        stop_reason: on the last one, the stop string that ended the answer, if one did.
    """

    text: str = ""
    tokens: int = 0
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    usage: Usage | None = None
    calls: tuple[Call, ...] = ()
    clamped: bool = False
    stop_reason: str | None = None


def with_system_prompt(prompt: Prompt, system_prompt: str | None) -> Prompt:
    """Prepends `system_prompt` to a conversation without a system message."""
    if not system_prompt or not prompt.messages:
        return prompt
    if any(message.role == "system" for message in prompt.messages):
        return prompt
    return replace(prompt, messages=(Message("system", system_prompt), *prompt.messages))


class TextEngine(Protocol):
    """An engine whose one model answers a prompt with text. Closing `generate` early (`aclose`)
    stops the generation and frees its slot."""

    async def start(self) -> None:
        """Loads the weights; may take minutes. Raises if the model cannot be used."""

    async def alive(self) -> None:
        """Raises `Unavailable` if only a restart can repair this engine."""

    async def stop(self) -> None:
        """Frees all resources."""

    async def health(self) -> None:
        """Returns if the model can answer, else raises `Unavailable`."""

    async def load(self) -> Load:
        """The counts so far."""

    async def model_card(self) -> ModelCard:
        """The card of the served model."""

    def generate(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yields the answer in pieces; raises a `BackendError`, before the first piece if
        possible."""
