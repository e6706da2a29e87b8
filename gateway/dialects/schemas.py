"""The wire: what clients send and receive, as msgspec types. Nothing else lives here.

Rules: a request type lists every parameter that is served and refuses all other keys; `X | None`
says that null means absent; a field typed `None` is a parameter of the API that may be present as
null only. Answers carry one key beyond OpenAI's, `niche`.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from deployments import answer_schemas


class TextPart(Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """A piece of a message."""

    text: str


Content = str | Annotated[list[TextPart], Meta(min_length=1)]


class _Message(Struct, frozen=True, tag_field="role", forbid_unknown_fields=True):
    content: Content
    name: None = None


class SystemMessage(_Message, frozen=True, tag="system"):
    """Instructions."""


class DeveloperMessage(_Message, frozen=True, tag="developer"):
    """Instructions, under the API's newer name: the same as `system`."""


class UserMessage(_Message, frozen=True, tag="user"):
    """What the user says."""


class AssistantMessage(_Message, frozen=True, tag="assistant"):
    """What the model said; clients send an answer back as they got it, with its nulls."""

    refusal: None = None
    audio: None = None
    function_call: None = None
    tool_calls: None = None


ChatTurn = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage


class StreamOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How to stream."""

    include_usage: bool | None = None


MAX_TOKENS = 2**31 - 1
MAX_CHOICES = 16
MAX_PROMPTS = 16

TokenLimit = Annotated[int, Meta(ge=1, le=MAX_TOKENS)]
Choices = Annotated[int, Meta(ge=1, le=MAX_CHOICES)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
StopString = Annotated[str, Meta(min_length=1)]
MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    model: Annotated[str, Meta(description="`auto`, or a model's name", max_length=256)]
    max_tokens: TokenLimit | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    n: Choices | None = None
    stop: StopString | Annotated[list[StopString], Meta(max_length=4)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    user: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class ChatRequest(_Request, frozen=True, kw_only=True):
    """The body of `POST /v1/chat/completions`."""

    messages: Annotated[list[ChatTurn], Meta(min_length=1)]
    max_completion_tokens: TokenLimit | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=16)] | None = None


class TextRequest(_Request, frozen=True, kw_only=True):
    """The body of `POST /v1/completions`."""

    prompt: (
        Annotated[str, Meta(min_length=1)]
        | Annotated[
            list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=MAX_PROMPTS)
        ]
    )
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None


class Niche(Struct, frozen=True, omit_defaults=True):
    """How the request was answered; the cost fields come with the last piece."""

    domain: str
    model: str
    confidence: float
    reason: str
    request_id: str
    cost: float | UnsetType = UNSET
    baseline_cost: float | UnsetType = UNSET
    attributed_cost: float | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    engine_seconds: float | UnsetType = UNSET
    latency_seconds: float | UnsetType = UNSET


class ChatCompletion(answer_schemas.ChatCompletion, frozen=True, kw_only=True):
    """A whole answer of `POST /v1/chat/completions`. An upstream's may have more keys."""

    niche: Niche


class ChatChunk(answer_schemas.ChatChunk, frozen=True, kw_only=True):
    """An event of a streamed chat answer."""

    niche: Niche | UnsetType = UNSET


class TextCompletion(answer_schemas.TextCompletion, frozen=True, kw_only=True):
    """An answer of `POST /v1/completions`, whole or an event of its stream."""

    niche: Niche | UnsetType = UNSET
