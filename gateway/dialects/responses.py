"""`POST /v1/responses`, OpenAI's newer dialect: its words become a chat's, and are checked as a
chat's.

Rule: an error names the place in the client's own body.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from msgspec.structs import asdict

from gateway.dialects.parse import CompletionRequest, converted, parse_chat
from gateway.dialects.places import in_own_words
from gateway.dialects.responses_places import PLACES, place_of
from gateway.dialects.responses_rendering import ResponsesRendering
from gateway.dialects.responses_schemas import (
    AllowedTools,
    Content,
    FunctionCallItem,
    FunctionChoice,
    FunctionOutputItem,
    InputImage,
    InputItem,
    InputText,
    Item,
    ItemReference,
    MessageItem,
    NamespaceTool,
    ObjectForm,
    OutputText,
    ReasoningItem,
    ReasoningSetting,
    Refusal,
    Response,
    ResponsesRequest,
    ResponseTool,
    SchemaForm,
    TextSetting,
    Tool,
    WebSearchTool,
)
from gateway.errors import GatewayError, InvalidValue, UnsupportedParameter

_REFUSED: tuple[Any, ...] = ()

RESPONSES_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "access_programs": _REFUSED,
    "background": (False,),
    "background_options": _REFUSED,
    "context_management": ([],),
    "conversation": _REFUSED,
    "image": _REFUSED,
    "moderation": _REFUSED,
    "prompt": _REFUSED,
}
"""Parameters of the API that are not served, with the values that ask for nothing."""

_SAME = (
    "model",
    "temperature",
    "top_p",
    "top_logprobs",
    "parallel_tool_calls",
    "stream",
    "metadata",
    "user",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
)
"""Parameters that a chat has too."""

_ECHOED = {*ResponsesRequest.__struct_fields__} & {*Response.__struct_fields__} - {"store"}
"""What an answer repeats of its request; what is stored is not for the request to say."""

_LOGPROBS = "message.output_text.logprobs"


@dataclass(frozen=True, slots=True)
class Chat:
    """A request in a chat's words.

    Attributes:
        body: of `POST /v1/chat/completions`.
        places: where parts of it are in the client's body.
    """

    body: Mapping[str, Any]
    places: Mapping[str, str]


def parse_responses(raw: dict[str, Any]) -> CompletionRequest:
    """Validates the body of a request for a response.

    Raises:
        GatewayError: as `parse_chat`.
    """
    request = request_of(raw)
    if request.previous_response_id is not None:
        raise UnsupportedParameter(
            "previous_response_id: nothing is stored here; send the whole conversation.",
            "previous_response_id",
        )
    return completion_of(request)


def completion_of(
    request: ResponsesRequest,
    earlier: Sequence[Item] = (),
    keep: Callable[[Response], None] | None = None,
) -> CompletionRequest:
    """The request as a chat.

    Args:
        request: the body.
        earlier: the conversation before it.
        keep: gets the answer when it has ended, unless the client forbids it; None: nothing is
            stored.

    Raises:
        GatewayError: as `parse_chat`.
    """
    keep = None if request.store is False else keep
    chat = to_chat(request, earlier)
    try:
        parsed = parse_chat(dict(chat.body))
    except GatewayError as error:
        raise in_own_words(error, partial(place_of, places=chat.places)) from None
    unanswered = _unanswered(request, stored=keep is not None)
    named = partial(place_of, places=chat.places)
    return replace(
        parsed,
        rendering=partial(ResponsesRendering, unanswered, keep),
        named=named,
        not_applied=tuple(_not_applied(request, stored=keep is not None)),
        needs={need: named(place) for need, place in parsed.needs.items()},
    )


def request_of(raw: dict[str, Any]) -> ResponsesRequest:
    """The body as a value.

    Raises:
        GatewayError: as `parse_chat`.
    """
    return converted(_with_types(raw), ResponsesRequest, RESPONSES_UNSUPPORTED)[0]


def to_chat(request: ResponsesRequest, earlier: Sequence[Item] = ()) -> Chat:
    """The request in a chat's words, with the conversation before it.

    Raises:
        InvalidValue: two functions have one name.
        UnsupportedParameter: an item is still a reference, or a function is to be found first.
    """
    turns = _Turns(dict(PLACES))
    if request.instructions is not None:
        turns.add({"role": "system", "content": request.instructions}, "instructions", content="")
    for before in earlier:
        _take(before, turns, "previous_response_id")
    if isinstance(request.input, str):
        turns.add({"role": "user", "content": request.input}, "input", content="")
    else:
        for index, item in enumerate(request.input):
            _take(item, turns, f"input[{index}]")
        turns.show_images()
    body = {name: getattr(request, name) for name in _SAME}
    body |= _tools(request, turns.places) | _text(request.text or TextSetting())
    body["messages"] = turns.messages
    body["max_completion_tokens"] = request.max_output_tokens
    body["reasoning_effort"] = request.reasoning.effort if request.reasoning else None
    if request.top_logprobs or _LOGPROBS in (request.include or ()):
        body["logprobs"] = True
    if request.stream:
        body["stream_options"] = {"include_usage": True}  # thoughts are counted there alone
    return Chat(_given(body), turns.places)


def _not_applied(request: ResponsesRequest, *, stored: bool) -> Iterator[str]:
    """What has no effect, whichever model answers."""
    asked = {
        "client_metadata": request.client_metadata,
        "include": set(request.include or ()) - {_LOGPROBS},
        "max_tool_calls": request.max_tool_calls,  # of tools that run at a server: none does here
        "store": request.store and not stored,
        "stream_options": request.stream_options and request.stream_options.include_obfuscation,
        "truncation": request.truncation == "auto",
    }
    yield from (name for name, value in asked.items() if value)
    for index, tool in enumerate(request.tools or ()):
        if isinstance(tool, WebSearchTool):
            yield f"tools[{index}]"
        elif isinstance(tool, NamespaceTool) and tool.description:
            yield f"tools[{index}].description"
    for place, function in _functions(request.tools or ()).items():
        if function.output_schema:
            yield f"{place}.output_schema"
    hints = asdict(request.reasoning or ReasoningSetting())
    yield from (f"reasoning.{name}" for name in _given(hints) if name != "effort")


def _with_types(raw: dict[str, Any]) -> dict[str, Any]:
    """The body with the types of messages and of references, which may be left out."""
    items = raw.get("input")
    if not isinstance(items, list):
        return raw
    return raw | {"input": [_with_type(item) for item in items]}


def _with_type(item: Any) -> Any:
    if not isinstance(item, dict) or item.get("type") is not None:
        return item
    if "role" in item:
        return item | {"type": "message"}
    return item | {"type": "item_reference"} if item.keys() - {"type"} == {"id"} else item


def _unanswered(request: ResponsesRequest, *, stored: bool) -> Response:
    """The answer before the model began."""
    defaults: dict[str, Any] = {
        "metadata": {},
        "parallel_tool_calls": True,
        "reasoning": ReasoningSetting(),
        "text": TextSetting(),
        "tool_choice": "auto",
        "tools": [],
    }
    asked = {name: getattr(request, name) for name in _ECHOED}
    return Response(**(defaults | _given(asked)), store=stored)


@dataclass(frozen=True, slots=True)
class _Turns:
    """The messages of a chat. What the model thought, said and called between two turns of others
    is one turn, as chat templates want it."""

    places: dict[str, str]
    messages: list[dict[str, Any]] = field(default_factory=list)
    _images: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def add(self, message: dict[str, Any], place: str, content: str = ".content") -> None:
        """Adds a turn; `content` is where its content is, seen from its place."""
        if message["role"] != "tool":
            self.show_images()
        here = f"messages[{len(self.messages)}]"
        self.messages.append(message)
        self.places.update({here: place, f"{here}.content": place + content})

    def result(self, item: FunctionOutputItem, place: str) -> None:
        """Adds the result of a call, which is text: its images wait for the end of the results."""
        content = _content(item.output)
        if not isinstance(content, str):
            parts = [(f"{place}.output[{index}]", part) for index, part in enumerate(content)]
            self._images.extend(placed for placed in parts if placed[1]["type"] == "image_url")
            content = "\n".join(part["text"] for part in content if part["type"] == "text")
        result = {"role": "tool", "tool_call_id": item.call_id, "content": content}
        self.add(result, place, ".output")

    def show_images(self) -> None:
        """Adds the images of the results before, as the user's: a chat's results are texts."""
        if not self._images:
            return
        here, (first, _) = f"messages[{len(self.messages)}]", self._images[0]
        self.places[here] = first
        self.places.update({f"{here}.content[{at}]": of for at, (of, _) in enumerate(self._images)})
        self.messages.append({"role": "user", "content": [part for _, part in self._images]})
        self._images.clear()

    def of_model(self, place: str) -> dict[str, Any]:
        """The model's turn that is under way, or a new one."""
        if not self.messages or self.messages[-1]["role"] != "assistant":
            self.add({"role": "assistant", "content": ""}, place)
        return self.messages[-1]

    def call(self, call: dict[str, Any], place: str) -> None:
        """Adds a call to the model's turn."""
        turn = self.of_model(place)
        calls = turn.setdefault("tool_calls", [])
        self.places[f"messages[{len(self.messages) - 1}].tool_calls[{len(calls)}]"] = place
        calls.append(call)
        turn["content"] = turn["content"] or None


def _take(item: InputItem, turns: _Turns, place: str) -> None:
    match item:
        case ItemReference():
            raise UnsupportedParameter(
                f"{place}: nothing is stored here; send the item itself, as clients do with "
                "store: false.",
                place,
            )
        case MessageItem(role="assistant"):
            _say(item.content, turns.of_model(place), place)
        case MessageItem():
            turns.add({"role": item.role, "content": _content(item.content)}, place)
        case FunctionCallItem():
            function = {"name": item.name, "arguments": item.arguments}
            call = {"id": item.call_id, "type": "function", "function": function}
            turns.call(call, place)
        case FunctionOutputItem():
            turns.result(item, place)
        case ReasoningItem():
            thoughts = [part.text for part in item.content or item.summary or ()]
            if thoughts:
                _append(turns.of_model(place), "reasoning_content", thoughts)


def _say(content: Content, turn: dict[str, Any], place: str) -> None:
    for index, part in enumerate([InputText(content)] if isinstance(content, str) else content):
        if isinstance(part, InputImage):
            where = f"{place}.content[{index}]"
            raise InvalidValue(f"{where}: the model's own turns have texts alone.", where)
        if isinstance(part, Refusal):
            _append(turn, "refusal", [part.refusal])
        else:
            _append(turn, "content", [part.text])


def _append(turn: dict[str, Any], key: str, texts: Iterable[str]) -> None:
    turn[key] = "\n".join([turn[key], *texts] if turn.get(key) else texts)


def _content(
    content: str | Iterable[InputText | InputImage | OutputText | Refusal],
) -> str | list[dict[str, Any]]:
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part: InputText | InputImage | OutputText | Refusal) -> dict[str, Any]:
    match part:
        case InputImage():
            image = _given({"url": part.image_url, "detail": part.detail})
            return {"type": "image_url", "image_url": image}
        case Refusal():
            return {"type": "refusal", "refusal": part.refusal}
        case _:
            return {"type": "text", "text": part.text}


def _tools(request: ResponsesRequest, places: dict[str, str]) -> dict[str, Any]:
    choice: Any = request.tool_choice
    tools = _functions(request.tools or ())
    if isinstance(choice, AllowedTools):
        allowed = {"mode": choice.mode, "tools": [_named(of) for of in choice.tools]}
        choice = {"type": "allowed_tools", "allowed_tools": allowed}
    elif isinstance(choice, FunctionChoice):
        choice = _named(choice)
    places |= {f"tools[{here}]": place for here, place in enumerate(tools)}
    chats = [_function(tool, place) for place, tool in tools.items()]
    return {"tools": chats or None, "tool_choice": choice}


def _functions(tools: Sequence[Tool]) -> dict[str, ResponseTool]:
    """The functions by their places, those of namespaces among them."""
    found = {}
    for index, tool in enumerate(tools):
        place = f"tools[{index}]"
        if isinstance(tool, ResponseTool):
            found[place] = tool
        elif isinstance(tool, NamespaceTool):
            found |= {f"{place}.tools[{inner}]": of for inner, of in enumerate(tool.tools)}
    names = Counter(tool.name for tool in found.values())
    for place, tool in found.items():
        if names[tool.name] > 1 and place.count("tools[") > 1:
            where = f"{place}.name"
            raise InvalidValue(f"{where}: another function is called {tool.name!r}.", where)
    return found


def _function(tool: ResponseTool, place: str) -> dict[str, Any]:
    if tool.defer_loading:
        where = f"{place}.defer_loading"
        raise UnsupportedParameter(f"{where}: no search finds tools here; leave it out.", where)
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }
    return {"type": "function", "function": _given(function)}


def _named(choice: FunctionChoice) -> dict[str, Any]:
    return {"type": "function", "function": {"name": choice.name}}


def _text(setting: TextSetting) -> dict[str, Any]:
    form: dict[str, Any] | None = None
    if isinstance(setting.format, SchemaForm):
        form = {"type": "json_schema", "json_schema": _given(asdict(setting.format))}
    elif isinstance(setting.format, ObjectForm):
        form = {"type": "json_object"}
    return {"response_format": form, "verbosity": setting.verbosity}


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
