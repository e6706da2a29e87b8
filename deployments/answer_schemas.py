"""OpenAI's answers as msgspec types: what an engine that knows text alone sends, and what the
gateway describes to its clients.

`stop_reason` is the stop string that ended a choice, as vLLM says it too; absent where none did.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

FinishReason = Literal["stop", "length", "tool_calls"]


class PromptTokensDetails(Struct, frozen=True):
    """Prompt tokens that the engine had seen before."""

    cached_tokens: int


class UsageBody(Struct, frozen=True):
    """Tokens by the answering model's tokenizer; a prompt counts once, whatever `n` is."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class TopLogprob(Struct, frozen=True):
    """An alternative token."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprobBody(Struct, frozen=True):
    """A token of the answer."""

    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[TopLogprob]


class ChatLogprobs(Struct, frozen=True):
    """Log-probabilities of a chat answer's tokens."""

    content: list[TokenLogprobBody]
    refusal: None = None


class ChatMessage(Struct, frozen=True):
    """The answer; its content is null where it calls functions and says nothing."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    tool_calls: list[dict[str, Any]] | UnsetType = UNSET


class ChatChoice(Struct, frozen=True):
    """One of the `n` answers."""

    index: int
    message: ChatMessage
    finish_reason: FinishReason | None
    logprobs: ChatLogprobs | None = None
    stop_reason: str | UnsetType = UNSET


class ChatCompletion(Struct, frozen=True, kw_only=True):
    """A whole answer of `POST /v1/chat/completions`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: UsageBody


class Delta(Struct, frozen=True, omit_defaults=True):
    """What is new in a choice."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    tool_calls: list[dict[str, Any]] | UnsetType = UNSET


class ChatChunkChoice(Struct, frozen=True):
    """A choice's part of an event."""

    index: int
    delta: Delta
    finish_reason: FinishReason | None = None
    logprobs: ChatLogprobs | None = None
    stop_reason: str | UnsetType = UNSET


class ChatChunk(Struct, frozen=True, kw_only=True):
    """An event of a streamed chat answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: UsageBody | UnsetType | None = UNSET


class TextLogprobs(Struct, frozen=True):
    """Log-probabilities of a text answer's tokens, as parallel lists."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class TextChoice(Struct, frozen=True):
    """One answer, or a piece of it; prompt p's choices have the indices p*n to p*n + n - 1."""

    index: int
    text: str
    finish_reason: FinishReason | None = None
    logprobs: TextLogprobs | None = None
    stop_reason: str | UnsetType = UNSET


class TextCompletion(Struct, frozen=True, kw_only=True):
    """An answer of `POST /v1/completions`, whole or an event of its stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: UsageBody | UnsetType | None = UNSET
