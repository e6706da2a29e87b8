"""From OpenAI's request to prompts for an engine that knows text alone.

The gateway has checked what every model needs. This file reads what such an engine can serve; it
refuses every other parameter by name, unless its value asks for nothing.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from deployments.generation import Prompt, Sampling
from deployments.parameters import asked
from deployments.protocol import KINDS, InvalidPrompt, Message, ModelRequest

_FIRST_NAME = re.compile(r"`\$\.(\w+)[^`]*`$|field `(\w+)`$")


class _TextPart(Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """A piece of a message."""

    text: str


class _Turn(Struct, frozen=True, forbid_unknown_fields=True):
    """A message; clients send an answer back as they got it, with its nulls."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_TextPart]
    name: None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    tool_calls: None = None


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
    """

    prompts: tuple[Prompt, ...]
    n: int
    include_usage: bool

    @property
    def logprobs(self) -> bool:
        """Whether log-probabilities are asked for."""
        return self.prompts[0].sampling.top_logprobs is not None


def read_request(request: ModelRequest) -> TextRequest:
    """Reads a request.

    Raises:
        InvalidPrompt: it asks for something that a text engine does not serve.
    """
    if KINDS[request.operation] != "generation":
        raise InvalidPrompt("model", f"model {request.model!r} gives text alone")
    inputs: list[tuple[Message, ...] | str]
    body: _ChatBody | _CompletionBody
    if request.operation == "chat":
        body = chat = _converted(request, _ChatBody)
        inputs, sampling = [_messages(chat.messages)], _chat_sampling(chat)
    else:
        body = completion = _converted(request, _CompletionBody)
        given = completion.prompt
        inputs = [given] if isinstance(given, str) else [*given]
        sampling = _completion_sampling(completion)
    n = body.n or 1
    options = body.stream_options
    return TextRequest(
        prompts=tuple(
            _prompt(request, inputs, index, n, sampling) for index in range(n * len(inputs))
        ),
        n=n,
        include_usage=bool(options and options.include_usage),
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


def _prompt(
    request: ModelRequest,
    inputs: list[tuple[Message, ...] | str],
    index: int,
    n: int,
    sampling: Sampling,
) -> Prompt:
    """The prompt of choice `index`; choices of one input differ in their seed, if there is one."""
    given, alone = inputs[index // n], n * len(inputs) == 1
    return Prompt(
        request_id=request.request_id if alone else f"{request.request_id}-{index}",
        messages=given if isinstance(given, tuple) else (),
        text=given if isinstance(given, str) else None,
        sampling=_reseeded(sampling, index % n),
        deadline_seconds=request.deadline_seconds,
    )


def _messages(turns: list[_Turn]) -> tuple[Message, ...]:
    return tuple(
        Message("system" if turn.role == "developer" else turn.role, _text(turn.content))
        for turn in turns
    )


def _text(content: str | list[_TextPart]) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def _chat_sampling(body: _ChatBody) -> Sampling:
    older, newer = body.max_tokens, body.max_completion_tokens
    top_logprobs = (body.top_logprobs or 0) if body.logprobs else None
    return _sampling(body, older if newer is None else newer, top_logprobs)


def _completion_sampling(body: _CompletionBody) -> Sampling:
    return _sampling(body, body.max_tokens, body.logprobs)


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
