"""From a JSON object to a `CompletionRequest`. Every parameter is served, or refused by name; none
is ignored.

The order is: names first (unsupported, then unknown), then types and ranges, then what two
parameters say together.
"""

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from deployments.capability import Capability
from deployments.protocol import Operation
from gateway.config import AUTO
from gateway.dialects import turns
from gateway.dialects.json_schema import check_schema
from gateway.dialects.rendering import Forwarding, Rendering
from gateway.dialects.route_schemas import RouteRequest
from gateway.dialects.schemas import (
    MAX_CHOICES,
    AllowedTools,
    ChatRequest,
    NamedTool,
    SchemaFormat,
    TextRequest,
    ToolChoice,
)
from gateway.errors import InvalidValue, MalformedBody, UnknownParameter, UnsupportedParameter
from gateway.validation import converted_to
from router.types import Query

_REFUSED: tuple[Any, ...] = ()

CHAT_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "audio": _REFUSED,
    "function_call": ("none", "auto"),
    "functions": ([],),
    "modalities": (["text"],),
    "moderation": _REFUSED,
    "web_search_options": _REFUSED,
}
"""Parameters of the API that are not served, with the values that ask for nothing and so may be
sent."""

TEXT_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "echo": (False,),
    "metadata": ({},),
    "suffix": ("",),
}
"""The same for `POST /v1/completions`."""

HINTS = frozenset(
    {
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "verbosity",
    }
)
"""Parameters that say how an answer may be made, and not what it is. A model that does not know one
answers without it, and the header `x-niche-not-applied` has its name."""

_ASK_FOR_NOTHING: dict[str, tuple[Any, ...]] = {
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
}
"""The same values of parameters that are served."""

_LEAST_TOP_P = 1e-6
"""What stands for 0, the likeliest token alone: OpenAI's API allows it, vLLM and others do not."""

TEXT_DEFAULT_MAX_TOKENS = 16
"""The legacy endpoint's own default."""

_OF_THE_GATEWAY = frozenset({"model", "stream", "user", "metadata"})
"""Parameters that do not go on to the model in its body."""

_NEEDS = {
    "tools": Capability.TOOLS,
    "response_format": Capability.JSON_SCHEMA,
    "logprobs": Capability.LOGPROBS,
    "logit_bias": Capability.LOGIT_BIAS,
}
"""What a model must be able to do for a parameter that asks for something."""

_ABOUT_THE_ANSWERS = frozenset({"n", "logprobs", "top_logprobs", "stream_options"})
"""Parameters that a comparison leaves out."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A valid request.

    Attributes:
        operation: which endpoint's words it is in.
        model: `auto`, or a model's name; not yet known to exist.
        query: what the router sees.
        fields: the parameters for the model, as the client wrote them.
        rendering: makes the rendering of one answer.
        named: the name in the client's body of a parameter for the model, or of a place in one.
        needs: what a model must be able to do, each with the parameter that asks for it.
        images: those in `fields`, in order, with their places there.
        caller: what stands for the model whose tool calls the conversation is at; None: at none.
        not_applied: parts of another dialect's body that say nothing to any model.
        choices: the number of answers in all.
        stream: whether the client wants a stream.
        user, metadata: the client's own words; they go to the log, and not to the model.
    """

    operation: Operation
    model: str
    query: Query
    fields: Mapping[str, Any]
    rendering: Callable[[], Rendering] = Forwarding
    named: Callable[[str], str] = str
    needs: Mapping[Capability, str] = field(default_factory=dict)
    images: tuple[turns.Image, ...] = ()
    caller: str | None = None
    not_applied: tuple[str, ...] = ()
    choices: int = 1
    stream: bool = False
    user: str | None = None
    metadata: dict[str, str] | None = None

    @property
    def hints(self) -> frozenset[str]:
        """The hints among the parameters."""
        return HINTS.intersection(self.fields)

    @property
    def may_wait(self) -> bool:
        """Whether it may wait for a slot. OpenAI's tier for work that is in no hurry is refused
        there as well when there is no room."""
        return self.fields.get("service_tier") != "flex"

    def unheard(self, by_model: Iterable[str]) -> tuple[str, ...]:
        """The names in the client's body of what had no effect, with what a model left out."""
        return (*map(self.named, by_model), *self.not_applied)

    def body(self, without: Container[str] = (), introduced: Collection[int] = ()) -> bytes:
        """The parameters for the model, as JSON.

        Args:
            without: parameters to leave out.
            introduced: messages to put words around, as `turns.introduced` does.

        Raises:
            MalformedBody: they are nested too deeply.
        """
        kept = {name: value for name, value in self.fields.items() if name not in without}
        if introduced:
            kept["messages"] = turns.introduced(kept["messages"], introduced)
        try:
            return msgspec.json.encode(kept)
        except RecursionError:
            raise MalformedBody("The body is nested too deeply.") from None

    def shadow_body(self, introduced: Collection[int] = ()) -> bytes:
        """The same for one answer in a comparison, of which only the text is read."""
        return self.body(_ABOUT_THE_ANSWERS | HINTS, introduced)


def parse_chat(raw: dict[str, Any]) -> CompletionRequest:
    """Validates the body of a chat request.

    Raises:
        GatewayError: a `MissingParameter`, `UnknownParameter`, `UnsupportedParameter`,
            `InvalidType` or `InvalidValue` that names the place.
    """
    choice = raw.get("tool_choice")
    if isinstance(choice, dict) and "type" not in choice:  # a function's, which servers need
        raw = raw | {"tool_choice": choice | {"type": "function"}}
    request, served = converted(raw, ChatRequest, CHAT_UNSUPPORTED)
    if request.top_logprobs and not request.logprobs:
        raise InvalidValue("top_logprobs needs logprobs: true.", "top_logprobs")
    _check_max_tokens(request)
    _check_stream_options(request)
    _check_tools(request)
    if isinstance(form := request.response_format, SchemaFormat):
        check_schema(form.json_schema.schema, "response_format.json_schema.schema")
    turns.check(request.messages)
    fields = fields_for_model(served | _in_full(request, served), _idle(request))
    needs = _needs(fields) | turns.needs(request.messages)
    return CompletionRequest(
        operation="chat",
        model=request.model,
        query=Query(messages=turns.seen(request.messages)),
        fields=fields | {"messages": turns.for_model(request.messages)},
        needs=needs,
        images=tuple(turns.images(request.messages)) if Capability.IMAGES in needs else (),
        caller=turns.caller(request.messages),
        not_applied=(*_unheard_options(request), *turns.unheard(request.messages)),
        choices=request.n or 1,
        stream=request.stream or False,
        user=request.user,
        metadata=request.metadata,
    )


def parse_text(raw: dict[str, Any]) -> CompletionRequest:
    """Validates the body of a text completion request. A list of prompts needs a model by name: a
    response has one model, and each prompt might belong to another.

    Raises:
        GatewayError: as `parse_chat`.
    """
    prompt = raw.get("prompt")
    if isinstance(prompt, list) and any(isinstance(item, int | list) for item in prompt):
        raise UnsupportedParameter("prompt: token arrays are not supported; send text.", "prompt")
    request, served = converted(raw, TextRequest, TEXT_UNSUPPORTED)
    _check_stream_options(request)
    texts = (request.prompt,) if isinstance(request.prompt, str) else tuple(request.prompt)
    if request.model == AUTO and len(texts) > 1:
        raise InvalidValue(
            f"prompt: {AUTO!r} routes one prompt per request; send one, or name a model.", "prompt"
        )
    fields: dict[str, Any] = {"max_tokens": TEXT_DEFAULT_MAX_TOKENS}
    fields |= fields_for_model(served | _in_full(request, served))
    n = request.n or 1
    if n * len(texts) > MAX_CHOICES:
        raise InvalidValue(
            f"n times the number of prompts is {n * len(texts)}; at most {MAX_CHOICES}.", "n"
        )
    return CompletionRequest(
        operation="completion",
        model=request.model,
        query=Query(text=texts[0]),
        fields=fields,
        needs=_needs(fields),
        not_applied=_unheard_options(request),
        choices=n * len(texts),
        stream=request.stream or False,
        user=request.user,
    )


@dataclass(frozen=True, slots=True)
class RouteQuestion:
    """A question for the decision alone: what the router sees, and whether to explain it."""

    query: Query
    explain: bool


def parse_route(raw: dict[str, Any]) -> RouteQuestion:
    """Validates the body of a question for the decision alone.

    Raises:
        GatewayError: as `parse_chat`; there are both `messages` and `prompt`, or neither.
    """
    request, _ = converted(raw, RouteRequest, {})
    if (request.messages is None) == (request.prompt is None):
        raise InvalidValue("Send messages, as for a chat, or prompt, and not both.", "messages")
    query = Query(messages=turns.seen(request.messages or ()), text=request.prompt)
    return RouteQuestion(query, request.explain or False)


_Body = TypeVar("_Body", bound=msgspec.Struct)


def converted(
    raw: dict[str, Any], kind: type[_Body], unsupported: dict[str, tuple[Any, ...]]
) -> tuple[_Body, dict[str, Any]]:
    """The checked request, and its parameters without those that ask for nothing.

    Args:
        raw: the body.
        kind: has every parameter that is served.
        unsupported: the API's other parameters, with the values that ask for nothing.

    Raises:
        GatewayError: as `parse_chat`.
    """
    served = {}
    for name, value in raw.items():
        if name in kind.__struct_fields__:
            served[name] = value
        elif name not in unsupported:
            raise UnknownParameter(f"{name[:80]}: unknown parameter.", name[:80])
        elif value is not None and not any(_same(value, idle) for idle in unsupported[name]):
            raise UnsupportedParameter(_refusal(name, unsupported[name]), name)
    return converted_to(kind, served)


def fields_for_model(served: dict[str, Any], idle: Container[str] = frozenset()) -> dict[str, Any]:
    """The parameters for the model: without nulls, which mean absent, without `idle` ones, and
    without values that ask for nothing."""
    return {
        name: value
        for name, value in served.items()
        if value is not None
        and name not in _OF_THE_GATEWAY
        and name not in idle
        and not any(_same(value, nothing) for nothing in _ASK_FOR_NOTHING.get(name, ()))
    }


def _in_full(request: ChatRequest | TextRequest, served: Mapping[str, Any]) -> dict[str, Any]:
    """What clients write in several ways, in the one that every server knows."""
    full: dict[str, Any] = {}
    if request.top_p == 0:
        full["top_p"] = _LEAST_TOP_P
    if request.stream_options is not None:
        full["stream_options"] = {"include_usage": bool(request.stream_options.include_usage)}
    if isinstance(request, ChatRequest) and request.tool_choice is not None:
        full |= _choice_in_full(request.tool_choice, served)
    return full


def _choice_in_full(choice: ToolChoice, served: Mapping[str, Any]) -> dict[str, Any]:
    """The choice of tools, in the words of every server, with the tools that it leaves."""
    match choice:
        case NamedTool():
            return {"tool_choice": msgspec.to_builtins(choice)}
        case AllowedTools(allowed_tools=allowed):
            names = {tool.function.name for tool in allowed.tools}
            tools = [tool for tool in served["tools"] if tool["function"]["name"] in names]
            return {"tool_choice": allowed.mode, "tools": tools}
    return {}


def _unheard_options(request: ChatRequest | TextRequest) -> tuple[str, ...]:
    """Noise against listeners, which no stream here has."""
    options = request.stream_options
    return ("stream_options",) if options and options.include_obfuscation else ()


def _idle(request: ChatRequest) -> set[str]:
    """Parameters that ask for nothing because of others."""
    idle = set()
    if not request.logprobs:
        idle |= {"logprobs", "top_logprobs"}
    if not request.tools or request.tool_choice == "none":
        idle |= {"tools", "tool_choice", "parallel_tool_calls"}
    return idle


def _needs(fields: Mapping[str, Any]) -> dict[Capability, str]:
    return {need: name for name, need in _NEEDS.items() if name in fields}


def _same(value: Any, idle: Any) -> bool:
    return type(value) is type(idle) and bool(value == idle)  # in Python, 0 == False


def _refusal(name: str, idle: tuple[Any, ...]) -> str:
    allowed = ", ".join(msgspec.json.encode(value).decode() for value in idle)
    return f"{name}: not supported{f' (except {allowed})' if allowed else ''}; leave it out."


def _check_max_tokens(request: ChatRequest) -> None:
    older, newer = request.max_tokens, request.max_completion_tokens
    if older is not None and newer is not None and older != newer:
        raise InvalidValue(
            f"max_tokens ({older}) and max_completion_tokens ({newer}) differ; send one.",
            "max_tokens",
        )


def _check_stream_options(request: ChatRequest | TextRequest) -> None:
    if request.stream_options is not None and not request.stream:
        raise InvalidValue("stream_options needs stream: true.", "stream_options")


def _check_tools(request: ChatRequest) -> None:
    tools, choice = request.tools or (), request.tool_choice
    if choice == "required" and not tools:
        raise InvalidValue("tool_choice: there are no tools to call.", "tool_choice")
    if choice is not None:
        _check_choice(choice, {tool.function.name for tool in tools})
    for index, tool in enumerate(tools):
        if tool.function.parameters is not None:
            check_schema(tool.function.parameters, f"tools[{index}].function.parameters")


def _check_choice(choice: ToolChoice, names: Container[str]) -> None:
    """Raises `InvalidValue` if a choice names another tool than these."""
    named: dict[str, NamedTool] = {}
    match choice:
        case NamedTool():
            named["tool_choice"] = choice
        case AllowedTools(allowed_tools=allowed):
            places = (f"tool_choice.allowed_tools.tools[{at}]" for at in range(len(allowed.tools)))
            named |= zip(places, allowed.tools, strict=True)
    for inside, tool in named.items():
        name, place = tool.function.name, f"{inside}.function.name"
        if name not in names:
            raise InvalidValue(f"{place}: no tool is called {name[:80]!r}.", place)
