"""The wire of `POST /v1/responses`: the request with its items, and the answer.

Rules: the request, its tools and its settings refuse every key that they do not list. Its items may
have more keys than these: clients send back the items that they got, with ids, statuses and nulls.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from gateway.dialects.schemas import (
    MAX_TOOLS,
    FunctionName,
    MetadataKey,
    MetadataValue,
    Niche,
    TokenLimit,
)

Status = Literal["in_progress", "completed", "incomplete", "failed"]
Name = Annotated[str, Meta(min_length=1)]


class InputText(Struct, frozen=True, tag_field="type", tag="input_text"):
    """A text of a message, or of a function's result."""

    text: str


class InputImage(Struct, frozen=True, tag_field="type", tag="input_image"):
    """An image, by its URL or as one (`data:`)."""

    image_url: str
    detail: Literal["auto", "low", "high", "original"] | None = None
    file_id: None = None


class OutputText(Struct, frozen=True, tag_field="type", tag="output_text"):
    """What the model said."""

    text: str
    annotations: list[dict[str, Any]] | None = field(default_factory=list)
    logprobs: list[dict[str, Any]] | None = field(default_factory=list)


class Refusal(Struct, frozen=True, tag_field="type", tag="refusal"):
    """What the model said instead of an answer."""

    refusal: str


class ReasoningText(Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    """What the model thought."""

    text: str


class SummaryText(Struct, frozen=True, tag_field="type", tag="summary_text"):
    """A summary of that, as other servers send it."""

    text: str


Content = str | list[InputText | InputImage | OutputText | Refusal]


class MessageItem(Struct, frozen=True, tag_field="type", tag="message"):
    """A turn of the conversation; its `type` may be left out."""

    role: Literal["user", "assistant", "system", "developer"]
    content: Content


class FunctionCallItem(Struct, frozen=True, tag_field="type", tag="function_call"):
    """A call of the model; `arguments` is JSON."""

    call_id: Name
    name: Name
    arguments: str


class FunctionOutputItem(Struct, frozen=True, tag_field="type", tag="function_call_output"):
    """The result of a call."""

    call_id: Name
    output: str | list[InputText | InputImage]


class ReasoningItem(Struct, frozen=True, tag_field="type", tag="reasoning"):
    """What the model thought before it said or called something; what is encrypted is ignored."""

    summary: list[SummaryText] | None = None
    content: list[ReasoningText] | None = None


Item = MessageItem | FunctionCallItem | FunctionOutputItem | ReasoningItem


class ItemReference(Struct, frozen=True, tag_field="type", tag="item_reference"):
    """An item of a stored answer, by its id; its `type` may be left out."""

    id: Name


InputItem = Item | ItemReference


class _Setting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ResponseTool(_Setting, frozen=True, tag_field="type", tag="function"):
    """A function that the model may call; `parameters` is the JSON schema of its arguments."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    allowed_callers: list[Literal["direct"]] | UnsetType | None = UNSET
    defer_loading: bool | UnsetType | None = UNSET
    output_schema: dict[str, Any] | UnsetType | None = UNSET


class NamespaceTool(_Setting, frozen=True, tag_field="type", tag="namespace"):
    """Functions that belong together; a call of one says its namespace."""

    name: Name
    tools: list[ResponseTool]
    description: str | UnsetType = UNSET


class WebSearchTool(Struct, frozen=True, tag_field="type", tag="web_search"):
    """A tool that OpenAI's servers run. A model may do without, so it is left out; agents send it
    with every request."""


Tool = ResponseTool | NamespaceTool | WebSearchTool


class FunctionChoice(_Setting, frozen=True, tag_field="type", tag="function"):
    """The function to call."""

    name: Name


class AllowedTools(_Setting, frozen=True, tag_field="type", tag="allowed_tools"):
    """The functions of this turn, of those in `tools`."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[FunctionChoice], Meta(min_length=1)]


ToolChoice = Literal["none", "auto", "required"] | FunctionChoice | AllowedTools


class PlainForm(_Setting, frozen=True, tag_field="type", tag="text"):
    """Any text."""


class ObjectForm(_Setting, frozen=True, tag_field="type", tag="json_object"):
    """A JSON object."""


class SchemaForm(_Setting, frozen=True, tag_field="type", tag="json_schema"):
    """JSON that is valid against a schema."""

    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextSetting(_Setting, frozen=True):
    """What form the text has; `verbosity` is a hint."""

    format: PlainForm | ObjectForm | SchemaForm | None = field(default_factory=PlainForm)
    verbosity: Literal["low", "medium", "high"] | None = None


Summaries = Literal["auto", "concise", "detailed"]


class ReasoningSetting(_Setting, frozen=True):
    """How to think; all of it is a hint."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Summaries | None = None
    generate_summary: Summaries | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: str | None = None


class ResponseStreamOptions(_Setting, frozen=True):
    """A hint: nothing is added to events to hide their sizes."""

    include_obfuscation: bool | None = None


class ResponsesRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/responses`."""

    model: Annotated[str, Meta(description="`auto`, or a model's name", max_length=256)]
    input: Annotated[str, Meta(min_length=1)] | Annotated[list[InputItem], Meta(min_length=1)]
    previous_response_id: str | None = None
    instructions: str | None = None
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None
    text: TextSetting | None = None
    reasoning: ReasoningSetting | None = None
    max_output_tokens: TokenLimit | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    include: list[str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    store: bool | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=16)] | None = None
    client_metadata: dict[str, Any] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None


class OutputMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """What the model said, as an item of the answer."""

    id: str
    status: Status
    role: Literal["assistant"] = "assistant"
    content: list[OutputText | Refusal]


class OutputReasoning(Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """What the model thought, as an item of the answer; nothing summarizes it."""

    id: str
    status: Status
    summary: list[SummaryText] = []
    content: list[ReasoningText]


class OutputCall(Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    """A call, as an item of the answer; `call_id` is what its result names."""

    id: str
    status: Status
    call_id: str
    name: str
    arguments: str
    namespace: str | UnsetType = UNSET


OutputItem = OutputMessage | OutputReasoning | OutputCall


class CachedTokens(Struct, frozen=True):
    """Input tokens that the engine had seen before."""

    cached_tokens: int
    cache_write_tokens: int = 0


class ReasoningTokens(Struct, frozen=True):
    """Output tokens that were thoughts, where the engine counts them."""

    reasoning_tokens: int


class ResponseUsage(Struct, frozen=True):
    """Tokens by the answering model's tokenizer."""

    input_tokens: int
    input_tokens_details: CachedTokens
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int


class IncompleteDetails(Struct, frozen=True):
    """Why an answer is not complete."""

    reason: Literal["max_output_tokens", "content_filter"]


class ResponseFailure(Struct, frozen=True):
    """Why a stream broke off: one of OpenAI's codes, and as `type` the gateway's own."""

    code: Literal["server_error", "invalid_prompt"]
    message: str
    type: str | None
    param: str | None


class Response(Struct, frozen=True, kw_only=True):
    """An answer, with what was asked; a key of the request that is null there took its default."""

    id: str = ""
    object: Literal["response"] = "response"
    created_at: int = 0
    status: Status = "in_progress"
    background: Literal[False] = False
    error: ResponseFailure | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str]
    model: str
    output: list[OutputItem] = []
    parallel_tool_calls: bool
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: ReasoningSetting
    safety_identifier: str | None = None
    store: bool = False
    temperature: float | None = None
    text: TextSetting
    tool_choice: ToolChoice
    tools: list[Tool]
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: Literal["auto", "disabled"] = "disabled"
    usage: ResponseUsage | None = None
    user: str | None = None
    niche: Niche | UnsetType = UNSET


class DeletedResponse(Struct, frozen=True, kw_only=True):
    """The answer to its deletion."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class ResponseEvent(Struct, frozen=True):
    """An event of a streamed answer; OpenAI's API describes the other keys of each type."""

    type: str
    sequence_number: int
