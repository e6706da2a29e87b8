"""The wire: what clients send and receive, as msgspec types. Nothing else lives here.

Rules: a request type lists every parameter that is served and refuses all other keys; `X | None`
says that null means absent; a field typed `None` is a parameter of the API that may be present as
null only. What a model reads alone, such as a schema, may have keys that are not listed. Answers
carry one key beyond OpenAI's, `niche`.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from deployments import answer_schemas


class TextPart(Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """A piece of a message."""

    text: str
    prompt_cache_breakpoint: dict[str, Any] | None = None


class RefusalPart(Struct, frozen=True, tag_field="type", tag="refusal", forbid_unknown_fields=True):
    """What a model said instead of an answer."""

    refusal: str


class ImageUrl(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An image: itself, as a `data:` URL, or where it is."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Struct, frozen=True, tag_field="type", tag="image_url", forbid_unknown_fields=True):
    """An image, for models that see."""

    image_url: ImageUrl
    prompt_cache_breakpoint: dict[str, Any] | None = None


Content = str | Annotated[list[TextPart], Meta(min_length=1)]
RichContent = str | Annotated[list[TextPart | ImagePart], Meta(min_length=1)]
Said = str | Annotated[list[TextPart | RefusalPart], Meta(min_length=1)]


class _Message(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="role",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    name: str | None = None


class SystemMessage(_Message, frozen=True, tag="system"):
    """Instructions."""

    content: Content


class DeveloperMessage(_Message, frozen=True, tag="developer"):
    """Instructions, under the API's newer name: the same as `system`."""

    content: Content


class UserMessage(_Message, frozen=True, tag="user"):
    """What the user says."""

    content: RichContent


class CalledFunction(Struct, frozen=True):
    """A function with its arguments, which are JSON as text; null, as some servers write none."""

    name: str
    arguments: str | None


class ToolCall(Struct, frozen=True):
    """A call that the model made."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


class AssistantMessage(_Message, frozen=True, tag="assistant", forbid_unknown_fields=False):
    """What the model said. Clients send an answer back as they got it: with its nulls, and with
    keys of their own or of an upstream, which are ignored."""

    content: Said | UnsetType | None = UNSET
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    audio: None = None
    function_call: None = None


class ToolMessage(_Message, frozen=True, tag="tool"):
    """The result of a call."""

    tool_call_id: str
    content: RichContent


ChatTurn = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


FunctionName = Annotated[str, Meta(min_length=1, max_length=128)]


class FunctionTool(Struct, frozen=True):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, frozen=True):
    """A tool: a function."""

    function: FunctionTool
    type: Literal["function"] = "function"


class NamedFunction(Struct, frozen=True, forbid_unknown_fields=True):
    """A function by its name."""

    name: str


class NamedTool(Struct, frozen=True, tag_field="type", tag="function", forbid_unknown_fields=True):
    """The tool that has to be called."""

    function: NamedFunction


class AllowedFunctions(Struct, frozen=True, forbid_unknown_fields=True):
    """Functions of those in `tools`, and whether one of them has to be called."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Meta(min_length=1)]


class AllowedTools(
    Struct, frozen=True, tag_field="type", tag="allowed_tools", forbid_unknown_fields=True
):
    """The functions of this turn."""

    allowed_tools: AllowedFunctions


ToolChoice = Literal["none", "auto", "required"] | NamedTool | AllowedTools


class TextFormat(Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """An answer in any form."""


class JsonFormat(
    Struct, frozen=True, tag_field="type", tag="json_object", forbid_unknown_fields=True
):
    """An answer that is a JSON object."""


class NamedSchema(Struct, frozen=True):
    """A JSON schema, under a name."""

    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class SchemaFormat(
    Struct, frozen=True, tag_field="type", tag="json_schema", forbid_unknown_fields=True
):
    """An answer that follows a JSON schema."""

    json_schema: NamedSchema


class StreamOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How to stream."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


MAX_TOKENS = 2**31 - 1
MAX_CHOICES = 16
MAX_PROMPTS = 16
MAX_TOOLS = 512
MAX_STOPS = 4

TokenLimit = Annotated[int, Meta(ge=1, le=MAX_TOKENS)]
Choices = Annotated[int, Meta(ge=1, le=MAX_CHOICES)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
StopString = Annotated[str, Meta(min_length=1)]
MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]
TokenId = Annotated[str, Meta(pattern=r"^[0-9]{1,9}$")]
Bias = Annotated[float, Meta(ge=-100, le=100)]
MAX_STOP_TOKENS = 128
TokenNumber = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    model: Annotated[str, Meta(description="`auto`, or a model's name", max_length=256)]
    max_tokens: TokenLimit | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    n: Choices | None = None
    stop: StopString | Annotated[list[StopString], Meta(max_length=MAX_STOPS)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: Annotated[dict[TokenId, Bias], Meta(max_length=1024)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    min_tokens: Annotated[int, Meta(ge=0, le=MAX_TOKENS)] | None = None
    stop_token_ids: Annotated[list[TokenNumber], Meta(max_length=MAX_STOP_TOKENS)] | None = None
    service_tier: str | None = None
    store: bool | None = None
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
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: TextFormat | JsonFormat | SchemaFormat | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    reasoning_effort: str | None = None
    safety_identifier: str | None = None
    verbosity: str | None = None


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
