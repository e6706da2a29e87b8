"""`POST /v1/messages` as Anthropic's API has it: its requests as chats.

A body is checked in its own words first, then as the chat that it amounts to. An error about the
chat names the place in the client's body.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from gateway.dialects.messages_errors import own_place
from gateway.dialects.messages_events import MessageRendering
from gateway.dialects.messages_schemas import (
    AssistantTurn,
    Block,
    ChoiceAny,
    ChoiceNone,
    ChoiceTool,
    ClientTool,
    MessagesRequest,
    OutputConfig,
    RedactedThinkingBlock,
    TokenCountRequest,
    ToolChoice,
    ToolResultBlock,
)
from gateway.dialects.messages_turns import ChatMessages
from gateway.dialects.parse import CompletionRequest, converted, parse_chat
from gateway.dialects.places import in_own_words
from gateway.errors import GatewayError, InvalidValue, MalformedBody, UnsupportedParameter

MESSAGES_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "container": (),
    "inference_geo": (),
    "mcp_servers": ([],),
    "user_profile_id": (),
    "workspace_id": (),
}
"""Parameters of the API that are not served, with the values that ask for nothing."""

_HINTS_OF_PARTS = ("cache_control", "defer_loading", "eager_input_streaming", "input_examples")
"""Of tools and of blocks."""

_HINTS = frozenset(
    {"cache_control", "context_management", "diagnostics", "service_tier", "speed", "thinking"}
)

_OF_FUNCTIONS = {
    "name": "name",
    "description": "description",
    "parameters": "input_schema",
    "strict": "strict",
}
"""What a chat's function has, and what a tool here calls it."""


@dataclass(frozen=True, slots=True)
class Chat:
    """What a body of this dialect amounts to.

    Attributes:
        body: OpenAI's request for a chat.
        places: where its parts are in the client's body, by their place in the chat.
        not_applied: hints that say nothing to any model.
    """

    body: dict[str, Any]
    places: Mapping[str, str]
    not_applied: tuple[str, ...]


def parse_messages(raw: dict[str, Any]) -> CompletionRequest:
    """Validates the body of a request for an answer.

    Raises:
        GatewayError: as `parse_chat`.
    """
    given = _checked(raw, MessagesRequest)
    if isinstance(given.messages[-1], AssistantTurn):
        place = f"messages[{len(given.messages) - 1}].role"
        raise InvalidValue(f"{place}: no model continues a turn; end with the user's.", place)
    stops, chat = given.stop_sequences or [], _as_chat(given)
    fields = {**chat.fields, "stop": stops} if stops else chat.fields  # a chat has fewer
    return replace(chat, rendering=partial(MessageRendering, stops), fields=fields)


def parse_token_count(raw: dict[str, Any]) -> CompletionRequest:
    """Validates the body of a question how many tokens a conversation has.

    Raises:
        GatewayError: as `parse_chat`.
    """
    return replace(_as_chat(_checked(raw, TokenCountRequest)), operation="count_tokens")


_Given = TypeVar("_Given", bound=TokenCountRequest)


def _checked(raw: dict[str, Any], kind: type[_Given]) -> _Given:
    _refuse_tools_of_servers(raw.get("tools"))
    return converted(raw, kind, MESSAGES_UNSUPPORTED)[0]


def _as_chat(given: TokenCountRequest) -> CompletionRequest:
    try:
        chat = to_chat(given)
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.") from None
    place_of = partial(own_place, places=chat.places)
    try:
        request = parse_chat(chat.body)
    except GatewayError as error:
        raise in_own_words(error, place_of) from None
    needs = {need: place_of(place) for need, place in request.needs.items()}
    return replace(request, named=place_of, needs=needs, not_applied=chat.not_applied)


def to_chat(given: TokenCountRequest) -> Chat:
    """The chat that a request amounts to."""
    written = ChatMessages()
    if given.system:
        written.system(given.system, "system")
    for index, turn in enumerate(given.messages):
        written.turn(turn, f"messages[{index}]")
    tools = given.tools or []
    body: dict[str, Any] = {"model": given.model, "messages": written.messages}
    if tools:
        body["tools"] = [_tool(tool) for tool in tools]
    body |= _tool_choice(given.tool_choice) | _form(given.output_config or OutputConfig())
    if isinstance(given, MessagesRequest):
        body |= _sampling(given)
    blocks = list(_blocks(given))
    hints = _present(_HINTS, [given]) | _present(_HINTS_OF_PARTS, [*tools, *blocks])
    if any(isinstance(block, RedactedThinkingBlock) for block in blocks):
        hints.add("redacted_thinking")
    if given.output_config and given.output_config.task_budget is not None:
        hints.add("output_config.task_budget")
    return Chat(
        body=body,
        places=written.places | dict(_places_of_tools(len(tools))),
        not_applied=tuple(sorted(hints)),
    )


def _present(names: Iterable[str], parts: Iterable[Struct]) -> set[str]:
    return {name for part in parts for name in names if getattr(part, name, None) is not None}


def _blocks(given: TokenCountRequest) -> Iterator[Block]:
    """The blocks of the conversation, wherever they are."""
    for content in (given.system, *(turn.content for turn in given.messages)):
        for block in content if isinstance(content, list) else ():
            yield block
            if isinstance(block, ToolResultBlock) and isinstance(block.content, list):
                yield from block.content


def _refuse_tools_of_servers(tools: Any) -> None:
    """Tools that Anthropic's servers run have a shape of their own each; clients' have no type."""
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in (None, "custom"):
            place = f"tools[{index}].type"
            raise UnsupportedParameter(
                f"{place}: tools that a server runs are not supported; describe one with name and "
                "input_schema, and run it yourself.",
                place,
            )


def _tool(tool: ClientTool) -> dict[str, Any]:
    fields = {ours: getattr(tool, theirs) for ours, theirs in _OF_FUNCTIONS.items()}
    # Clients write the keywords that they leave open as null, which no schema has.
    fields["parameters"] = {
        keyword: value for keyword, value in tool.input_schema.items() if value is not None
    }
    function = {name: value for name, value in fields.items() if value is not None}
    return {"type": "function", "function": function}


def _places_of_tools(count: int) -> Iterator[tuple[str, str]]:
    for index in range(count):
        for ours, theirs in _OF_FUNCTIONS.items():
            yield f"tools[{index}].function.{ours}", f"tools[{index}].{theirs}"


def _tool_choice(choice: ToolChoice | None) -> dict[str, Any]:
    match choice:
        case None:
            return {}
        case ChoiceNone():
            return {"tool_choice": "none"}
        case ChoiceTool():
            chosen: Any = {"type": "function", "function": {"name": choice.name}}
        case ChoiceAny():
            chosen = "required"
        case _:
            chosen = "auto"
    alone = {"parallel_tool_calls": False} if choice.disable_parallel_tool_use else {}
    return {"tool_choice": chosen, **alone}


def _form(config: OutputConfig) -> dict[str, Any]:
    form: dict[str, Any] = {}
    if config.format is not None:
        schema = {"name": "answer", "schema": config.format.schema, "strict": True}
        form["response_format"] = {"type": "json_schema", "json_schema": schema}
    if config.effort is not None:
        form["reasoning_effort"] = "xhigh" if config.effort == "max" else config.effort
    return form


def _sampling(given: MessagesRequest) -> dict[str, Any]:
    sampling = {
        "max_tokens": given.max_tokens,
        "temperature": given.temperature,
        "top_p": given.top_p,
        "top_k": given.top_k,
        "stream": given.stream,
        "user": given.metadata and given.metadata.user_id,
    }
    return {name: value for name, value in sampling.items() if value is not None}
