"""From a JSON object to a `CompletionRequest`. Every parameter is served, or refused by name; none
is ignored.

The order is: names first (unsupported, then unknown), then types and ranges, then what two
parameters say together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import msgspec

from deployments.protocol import Message, Prompt, Sampling
from gateway.config import AUTO
from gateway.dialects.route_schemas import RouteRequest
from gateway.dialects.schemas import (
    MAX_CHOICES,
    ChatRequest,
    ChatTurn,
    Content,
    DeveloperMessage,
    TextRequest,
)
from gateway.errors import InvalidValue, UnknownParameter, UnsupportedParameter
from gateway.validation import validation_error
from router.types import Query

_REFUSED: tuple[Any, ...] = ()

_BOTH_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "logit_bias": ({},),
    "service_tier": ("auto", "default"),
    "store": (False,),
}
CHAT_UNSUPPORTED: dict[str, tuple[Any, ...]] = _BOTH_UNSUPPORTED | {
    "audio": _REFUSED,
    "function_call": _REFUSED,
    "functions": _REFUSED,
    "modalities": (["text"],),
    "moderation": _REFUSED,
    "parallel_tool_calls": _REFUSED,
    "prediction": _REFUSED,
    "prompt_cache_key": _REFUSED,
    "prompt_cache_options": _REFUSED,
    "prompt_cache_retention": _REFUSED,
    "reasoning_effort": _REFUSED,
    "response_format": ({"type": "text"},),
    "safety_identifier": _REFUSED,
    "tool_choice": _REFUSED,
    "tools": _REFUSED,
    "verbosity": _REFUSED,
    "web_search_options": _REFUSED,
}
"""Parameters of the API that are not served, with the values that ask for nothing and so may be
sent."""

TEXT_UNSUPPORTED: dict[str, tuple[Any, ...]] = _BOTH_UNSUPPORTED | {
    "best_of": _REFUSED,
    "echo": (False,),
    "metadata": _REFUSED,
    "suffix": _REFUSED,
}
"""The same for `POST /v1/completions`."""

TEXT_DEFAULT_MAX_TOKENS = 16
"""The legacy endpoint's own default."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A request in our own words.

    Attributes:
        kind: which dialect the answer is in.
        model: `auto`, or a model's name; not yet known to exist.
        query: what the router sees.
        inputs: what is answered: one conversation, or one or more texts.
        n: answers per input, each from a stream of its own.
        include_usage: whether the stream ends with an event that holds the usage.
        user, metadata: the client's own words; they go to the log.
    """

    kind: Literal["chat", "text"]
    model: str
    query: Query
    inputs: tuple[tuple[Message, ...] | str, ...]
    sampling: Sampling
    n: int = 1
    stream: bool = False
    include_usage: bool = False
    user: str | None = None
    metadata: dict[str, str] | None = None

    @property
    def choices(self) -> int:
        """The number of answers in all."""
        return self.n * len(self.inputs)

    def prompt(
        self,
        index: int,
        request_id: str,
        deadline_seconds: float,
        trace: tuple[tuple[str, str], ...] = (),
    ) -> Prompt:
        """The prompt of choice `index`; choices of one input differ in their seed, if there is
        one."""
        given = self.inputs[index // self.n]
        return Prompt(
            request_id=request_id if self.choices == 1 else f"{request_id}-{index}",
            messages=given if isinstance(given, tuple) else (),
            text=given if isinstance(given, str) else None,
            sampling=_reseeded(self.sampling, index % self.n),
            deadline_seconds=deadline_seconds,
            trace=trace,
        )


def parse_chat(raw: dict[str, Any]) -> CompletionRequest:
    """Validates the body of a chat request.

    Raises:
        GatewayError: a `MissingParameter`, `UnknownParameter`, `UnsupportedParameter`,
        `InvalidType` or
            `InvalidValue` that names the place.
    """
    request = _convert(raw, ChatRequest, CHAT_UNSUPPORTED)
    if request.top_logprobs is not None and not request.logprobs:
        raise InvalidValue("top_logprobs needs logprobs: true.", "top_logprobs")
    top_logprobs = (request.top_logprobs or 0) if request.logprobs else None
    messages = _messages(request.messages)
    return CompletionRequest(
        kind="chat",
        model=request.model,
        query=Query(messages=messages),
        inputs=(messages,),
        sampling=_sampling(request, _max_tokens(request), top_logprobs),
        n=request.n or 1,
        stream=request.stream or False,
        include_usage=_include_usage(request),
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
    request = _convert(raw, TextRequest, TEXT_UNSUPPORTED)
    texts = (request.prompt,) if isinstance(request.prompt, str) else tuple(request.prompt)
    if request.model == AUTO and len(texts) > 1:
        raise InvalidValue(
            f"prompt: {AUTO!r} routes one prompt per request; send one, or name a model.", "prompt"
        )
    n = request.n or 1
    if n * len(texts) > MAX_CHOICES:
        raise InvalidValue(
            f"n times the number of prompts is {n * len(texts)}; at most {MAX_CHOICES}.", "n"
        )
    max_tokens = TEXT_DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
    return CompletionRequest(
        kind="text",
        model=request.model,
        query=Query(text=texts[0]),
        inputs=texts,
        sampling=_sampling(request, max_tokens, request.logprobs),
        n=n,
        stream=request.stream or False,
        include_usage=_include_usage(request),
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
    request = _convert(raw, RouteRequest, {})
    if (request.messages is None) == (request.prompt is None):
        raise InvalidValue("Send messages, as for a chat, or prompt, and not both.", "messages")
    query = Query(messages=_messages(request.messages or ()), text=request.prompt)
    return RouteQuestion(query, request.explain or False)


_Body = TypeVar("_Body", ChatRequest, TextRequest, RouteRequest)


def _convert(
    raw: dict[str, Any], kind: type[_Body], unsupported: dict[str, tuple[Any, ...]]
) -> _Body:
    served = {}
    for name, value in raw.items():
        if name in kind.__struct_fields__:
            served[name] = value
        elif name not in unsupported:
            raise UnknownParameter(f"{name[:80]}: unknown parameter.", name[:80])
        elif value is not None and not any(_same(value, idle) for idle in unsupported[name]):
            raise UnsupportedParameter(_refusal(name, unsupported[name]), name)
    try:
        return msgspec.convert(served, kind)
    except msgspec.ValidationError as error:
        raise validation_error(str(error), served) from None


def _same(value: Any, idle: Any) -> bool:
    return type(value) is type(idle) and bool(value == idle)  # in Python, 0 == False


def _refusal(name: str, idle: tuple[Any, ...]) -> str:
    allowed = ", ".join(msgspec.json.encode(value).decode() for value in idle)
    return f"{name}: not supported{f' (except {allowed})' if allowed else ''}; leave it out."


def _sampling(
    request: ChatRequest | TextRequest, max_tokens: int | None, top_logprobs: int | None
) -> Sampling:
    stop = request.stop or ()
    return Sampling(
        max_tokens=max_tokens,
        temperature=request.temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        seed=request.seed,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        top_logprobs=top_logprobs,
    )


def _reseeded(sampling: Sampling, offset: int) -> Sampling:
    if sampling.seed is None or offset == 0:
        return sampling
    seed = (sampling.seed + offset + 2**63) % 2**64 - 2**63  # stays an int64
    return replace(sampling, seed=seed)


def _max_tokens(request: ChatRequest) -> int | None:
    older, newer = request.max_tokens, request.max_completion_tokens
    if older is not None and newer is not None and older != newer:
        raise InvalidValue(
            f"max_tokens ({older}) and max_completion_tokens ({newer}) differ; send one.",
            "max_tokens",
        )
    return older if newer is None else newer


def _include_usage(request: ChatRequest | TextRequest) -> bool:
    if request.stream_options is None:
        return False
    if not request.stream:
        raise InvalidValue("stream_options needs stream: true.", "stream_options")
    return request.stream_options.include_usage or False


def _messages(said: Iterable[ChatTurn]) -> tuple[Message, ...]:
    return tuple(Message(_role(message), _text(message.content)) for message in said)


def _role(message: msgspec.Struct) -> str:
    return "system" if isinstance(message, DeveloperMessage) else str(message.__struct_config__.tag)


def _text(content: Content) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content)
