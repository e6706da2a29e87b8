"""The wire types of `POST /v1/messages` and `/v1/messages/count_tokens`, as Anthropic's API has
them.

The rules are those of `schemas`; a field typed `Hint` is accepted and listed as not applied. Beyond
Anthropic's keys an answer has `niche`, and an error `code` and `param`.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.dialects.schemas import (
    MAX_TOOLS,
    FunctionName,
    Niche,
    StopString,
    TokenLimit,
)

MAX_STOPS = 64
"""Anthropic's API names no limit, and OpenAI's 4."""

Hint = dict[str, Any] | None


class _Block(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    cache_control: Hint = None


class TextBlock(_Block, frozen=True, tag="text"):
    """A text. What else an answer's block has is accepted when it comes back, and says nothing."""

    text: str
    citations: Any = None
    parsed_output: Any = None


class Base64Source(Struct, frozen=True, tag_field="type", tag="base64", forbid_unknown_fields=True):
    """An image inside the request."""

    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class UrlSource(Struct, frozen=True, tag_field="type", tag="url", forbid_unknown_fields=True):
    """An image at an address."""

    url: str


class ImageBlock(_Block, frozen=True, tag="image"):
    """An image."""

    source: Base64Source | UrlSource


class ToolResultBlock(_Block, frozen=True, tag="tool_result"):
    """What a called tool gave."""

    tool_use_id: str
    content: str | list[TextBlock | ImageBlock] = ""
    is_error: bool | None = None
    toolset_name: None = None


class ToolUseBlock(_Block, frozen=True, tag="tool_use"):
    """A call of a tool, as an answer had it."""

    id: str
    name: str
    input: dict[str, Any]
    caller: Any = None
    toolset_name: None = None


class ThinkingBlock(_Block, frozen=True, tag="thinking"):
    """What a model thought. Signatures are not looked at."""

    thinking: str
    signature: str = ""


class RedactedThinkingBlock(_Block, frozen=True, tag="redacted_thinking"):
    """What a model thought, which nobody else can read: it is left out, and listed as not
    applied."""

    data: str


UserBlock = TextBlock | ImageBlock | ToolResultBlock
AssistantBlock = TextBlock | ToolUseBlock | ThinkingBlock | RedactedThinkingBlock
Block = UserBlock | AssistantBlock


class _Turn(Struct, frozen=True, tag_field="role", forbid_unknown_fields=True):
    pass


class UserTurn(_Turn, frozen=True, tag="user"):
    """What the user says, and what tools gave."""

    content: str | Annotated[list[UserBlock], Meta(min_length=1)]


class AssistantTurn(_Turn, frozen=True, tag="assistant"):
    """What the model said."""

    content: str | list[AssistantBlock]


class SystemTurn(_Turn, frozen=True, tag="system"):
    """Instructions in the middle of a conversation."""

    content: str | Annotated[list[TextBlock], Meta(min_length=1)]


class ClientTool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function of the client's."""

    name: FunctionName
    input_schema: dict[str, Any]
    description: str | None = None
    type: Literal["custom"] | None = None
    strict: bool | None = None
    cache_control: Hint = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    input_examples: list[dict[str, Any]] | None = None
    allowed_callers: list[Literal["direct"]] | None = None


class _Choice(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    disable_parallel_tool_use: bool = False


class ChoiceAuto(_Choice, frozen=True, tag="auto"):
    """The model decides whether to call tools."""


class ChoiceAny(_Choice, frozen=True, tag="any"):
    """It has to call one."""


class ChoiceTool(_Choice, frozen=True, kw_only=True, tag="tool"):
    """It has to call this one."""

    name: str


class ChoiceNone(Struct, frozen=True, tag_field="type", tag="none", forbid_unknown_fields=True):
    """It calls none."""


ToolChoice = ChoiceAuto | ChoiceAny | ChoiceTool | ChoiceNone


class OutputFormat(Struct, frozen=True, tag_field="type", tag="json_schema"):
    """What the answer's text is valid against."""

    schema: dict[str, Any]


class OutputConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The form of the answer, and how much work to put into it."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None
    task_budget: Hint = None


class Metadata(Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks, for the log."""

    user_id: str | None = None


class TokenCountRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/messages/count_tokens`."""

    model: Annotated[str, Meta(description="`auto`, or a model's name", max_length=256)]
    messages: Annotated[list[UserTurn | AssistantTurn | SystemTurn], Meta(min_length=1)]
    system: str | list[TextBlock] | None = None
    tools: Annotated[list[ClientTool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    output_config: OutputConfig | None = None
    cache_control: Hint = None
    context_management: Hint = None
    speed: str | None = None
    thinking: Hint = None


class MessagesRequest(TokenCountRequest, frozen=True, kw_only=True):
    """The body of `POST /v1/messages`."""

    max_tokens: TokenLimit
    stop_sequences: Annotated[list[StopString], Meta(max_length=MAX_STOPS)] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    metadata: Metadata | None = None
    diagnostics: Hint = None
    service_tier: Literal["auto", "standard_only"] | None = None


class TokenCount(Struct, frozen=True):
    """The tokens of a conversation as the chosen model reads it, with its tools and template."""

    input_tokens: int


class MessageUsage(Struct, frozen=True):
    """Tokens by the answering model's tokenizer. `input_tokens` are those of the prompt that the
    engine had not seen before; nobody pays for writing into its cache."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0


class ThinkingAnswer(Struct, frozen=True, tag_field="type", tag="thinking"):
    """What the model thought; nothing is signed."""

    thinking: str = ""
    signature: str = ""


class TextAnswer(Struct, frozen=True, tag_field="type", tag="text"):
    """What it said."""

    text: str = ""


class ToolUseAnswer(Struct, frozen=True, tag_field="type", tag="tool_use"):
    """A tool that it calls."""

    id: str
    name: str
    input: dict[str, Any]


StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


class MessageAnswer(Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A whole answer, or the beginning of a streamed one."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[ThinkingAnswer | TextAnswer | ToolUseAnswer]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: MessageUsage
    niche: Niche | UnsetType = UNSET


class _Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class MessageStart(_Event, frozen=True, tag="message_start"):
    """The first event of a stream."""

    message: MessageAnswer


class BlockStart(_Event, frozen=True, tag="content_block_start"):
    """A block begins."""

    index: int
    content_block: ThinkingAnswer | TextAnswer | ToolUseAnswer


class ThinkingDelta(Struct, frozen=True, tag_field="type", tag="thinking_delta"):
    """More of a thought."""

    thinking: str


class TextDelta(Struct, frozen=True, tag_field="type", tag="text_delta"):
    """More of a text."""

    text: str


class InputDelta(Struct, frozen=True, tag_field="type", tag="input_json_delta"):
    """More of a call's input."""

    partial_json: str


Delta = ThinkingDelta | TextDelta | InputDelta


class BlockDelta(_Event, frozen=True, tag="content_block_delta"):
    """More of a block."""

    index: int
    delta: Delta


class BlockStop(_Event, frozen=True, tag="content_block_stop"):
    """A block is complete."""

    index: int


class Stopped(Struct, frozen=True):
    """Why an answer ends, and before which string."""

    stop_reason: StopReason
    stop_sequence: str | None = None


class MessageDelta(_Event, frozen=True, tag="message_delta"):
    """The last event but one, with the usage of the whole answer."""

    delta: Stopped
    usage: MessageUsage
    niche: Niche | UnsetType = UNSET


class MessageStop(_Event, frozen=True, tag="message_stop"):
    """The last event of a complete stream."""


Event = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop


class MessageErrorDetail(Struct, frozen=True):
    """An error in Anthropic's format; `code` and `param` are those of the other endpoints."""

    type: str
    message: str
    code: str | None
    param: str | None


class MessageError(Struct, frozen=True, tag_field="type", tag="error"):
    """The body of every error of these endpoints, and the event that ends a broken stream."""

    error: MessageErrorDetail
    request_id: str | None = None
