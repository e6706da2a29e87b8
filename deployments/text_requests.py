"""From OpenAI's request to prompts for an engine that knows text alone.

The gateway has checked what every model needs. This file reads what such an engine can serve; it
refuses every other parameter by name, unless its value asks for nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Struct

from deployments.generation import Prompt, Sampling
from deployments.parameters import asked
from deployments.protocol import KINDS, InvalidPrompt, Message, ModelRequest
from deployments.tagged_calls import call_text, callable_tools, form_of

_FORMS = ("parallel_tool_calls", "response_format", "tool_choice", "tools")
_FIRST_NAME = re.compile(r"`\$\.(\w+)[^`]*`$|field `(\w+)`$")


class _TextPart(Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """A piece of a message."""

    text: str


class _ImagePart(Struct, frozen=True, tag_field="type", tag="image_url"):
    """An image, which is as good as its description to an engine that knows text."""

    text: ClassVar[str] = "[image]"


class _Function(Struct, frozen=True):
    name: str
    arguments: str


class _Call(Struct, frozen=True):
    function: _Function


class _Turn(Struct, frozen=True, forbid_unknown_fields=True):
    """A message; clients send an answer back as they got it, with its nulls."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_TextPart | _ImagePart] | None = None
    name: str | None = None
    refusal: str | None = None
    audio: None = None
    function_call: None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    annotations: list[Any] | None = None


class _StreamOptions(Struct, frozen=True):
    """How to stream."""

    include_usage: bool | None = None


class _Body(Struct, frozen=True, kw_only=True):
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stream_options: _StreamOptions | None = None


class _ChatBody(_Body, frozen=True, kw_only=True):
    """What a text engine reads of a chat."""

    messages: list[_Turn]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None


class _CompletionBody(_Body, frozen=True, kw_only=True):
    """What a text engine reads of a text completion."""

    prompt: str | list[str]
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A request as a text engine reads it.

    Attributes:
        prompts: one per choice; choice i answers input i // n.
        n: choices per input.
        include_usage: whether a stream ends with an event that holds the usage.
        limit: the parameter that limits the tokens.
    """

    prompts: tuple[Prompt, ...]
    n: int
    include_usage: bool
    limit: str = "max_tokens"

    @property
    def logprobs(self) -> bool:
        """Whether log-probabilities are asked for."""
        return self.prompts[0].sampling.top_logprobs is not None


def read_request(request: ModelRequest, *, images: bool = False) -> TextRequest:
    """Reads a request; `images`: whether messages may hold them.

    Raises:
        InvalidPrompt: it asks for something that a text engine does not serve.
    """
    if KINDS[request.operation] != "generation":
        raise InvalidPrompt("model", f"model {request.model!r} gives text alone")
    body: _ChatBody | _CompletionBody
    limit = "max_tokens"
    inputs: list[str | None] = [None]
    if request.operation == "chat":
        body = chat = _converted(request, _ChatBody)
        if not images:
            _refuse_images(chat.messages)
        if chat.max_completion_tokens is not None:
            limit = "max_completion_tokens"
        prompt = _chat_prompt(request, chat)
    else:
        body = _converted(request, _CompletionBody)
        inputs = [body.prompt] if isinstance(body.prompt, str) else [*body.prompt]
        sampling = _sampling(body, body.max_tokens, body.logprobs)
        prompt = Prompt(request.request_id, text="", sampling=sampling)
    n, options = body.n or 1, body.stream_options
    prompt = replace(prompt, deadline_seconds=request.deadline_seconds, client=request.client)
    count = n * len(inputs)
    return TextRequest(
        prompts=tuple(
            _choice(replace(prompt, text=inputs[index // n]), index, n, alone=count == 1)
            for index in range(count)
        ),
        n=n,
        include_usage=bool(options and options.include_usage),
        limit=limit,
    )


_Kind = TypeVar("_Kind", _ChatBody, _CompletionBody)


def _converted(request: ModelRequest, kind: type[_Kind]) -> _Kind:
    fields = asked(
        request, kind.__struct_fields__, "the model knows text alone and does not serve it"
    )
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        named = _FIRST_NAME.search(str(error))
        parameter = (named[1] or named[2]) if named else "body"
        raise InvalidPrompt(parameter, f"the model knows text alone: {error}") from None


def _chat_prompt(request: ModelRequest, body: _ChatBody) -> Prompt:
    older, newer = body.max_tokens, body.max_completion_tokens
    top_logprobs = (body.top_logprobs or 0) if body.logprobs else None
    max_tokens = older if newer is None else newer
    forms = {key: value for key in _FORMS if (value := getattr(body, key)) is not None}
    return Prompt(
        request_id=request.request_id,
        messages=tuple(_message(turn) for turn in body.messages),
        sampling=_sampling(body, max_tokens, top_logprobs),
        form=form_of(forms, max_tokens),
        functions=tuple(tool["function"]["name"] for tool in callable_tools(forms)),
    )


def _choice(prompt: Prompt, index: int, n: int, *, alone: bool) -> Prompt:
    """The prompt of choice `index`; choices of one input differ in their seed, if there is one."""
    return replace(
        prompt,
        request_id=prompt.request_id if alone else f"{prompt.request_id}-{index}",
        sampling=_reseeded(prompt.sampling, index % n),
    )


def _refuse_images(turns: Sequence[_Turn]) -> None:
    for at, turn in enumerate(turns):
        for number, part in enumerate(turn.content if isinstance(turn.content, list) else ()):
            if isinstance(part, _ImagePart):
                place = f"messages[{at}].content[{number}]"
                raise InvalidPrompt(place, "the model sees no images")


def _message(turn: _Turn) -> Message:
    content = turn.content or turn.refusal or ""
    text = content if isinstance(content, str) else "\n".join(part.text for part in content)
    called = [call.function for call in turn.tool_calls or ()]
    calls = [call_text(function.name, function.arguments) for function in called]
    role = "system" if turn.role == "developer" else turn.role
    return Message(role, "\n".join(filter(None, [text, *calls])))


def _sampling(body: _Body, max_tokens: int | None, top_logprobs: int | None) -> Sampling:
    stop = body.stop or ()
    return Sampling(
        max_tokens=max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        seed=body.seed,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        top_logprobs=top_logprobs,
    )


def _reseeded(sampling: Sampling, offset: int) -> Sampling:
    if sampling.seed is None or offset == 0:
        return sampling
    seed = (sampling.seed + offset + 2**63) % 2**64 - 2**63  # stays an int64
    return replace(sampling, seed=seed)
