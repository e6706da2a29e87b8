"""From OpenAI's request to the bodies that llama.cpp's server takes, one per choice. Without I/O.

The server has many parameters of its own, which say which adapter applies, read files or open
addresses. So only what is named here goes on; everything else is refused by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from deployments.answer_forms import Form, can_hold, grammar_of
from deployments.answer_grammar import asks_for_form, grammar_for
from deployments.bounded_schemas import bounded_fields, most_calls
from deployments.completions import Completion
from deployments.control_tokens import ControlTokens
from deployments.engines._llama_options import LlamaOptions
from deployments.parameters import asked
from deployments.protocol import InvalidPrompt, ModelRequest
from deployments.tagged_calls import Calling, callable_tools, form_of, prompted
from deployments.tool_calls import with_readable_calls

_SHARED = frozenset(
    {
        "frequency_penalty",
        "grammar",
        "logit_bias",
        "max_tokens",
        "min_p",
        "presence_penalty",
        "repeat_penalty",
        "temperature",
        "top_k",
        "top_p",
    }
)
_PENALTIES = ("frequency_penalty", "presence_penalty", "repeat_penalty", "repetition_penalty")
_RENAMED = {"repetition_penalty": "repeat_penalty"}
"""What vLLM and others call a parameter, and what llama.cpp does."""
_FORMS = frozenset({"parallel_tool_calls", "response_format", "tool_choice", "tools"})
_PASSED = {
    "chat": _SHARED | _FORMS | {"chat_template_kwargs", "max_completion_tokens"},
    "completion": _SHARED,
}
"""Parameters that go on as they come. What else is known is read by name below."""

_READ = frozenset(
    {"logprobs", "messages", "n", "prompt", "seed", "stop", "stream_options", "top_logprobs"}
)
_LONGEST = {
    "chat_template_kwargs": 8_192,
    "grammar": 8_192,
    "response_format": 65_536,
    "tools": 262_144,
}
"""Bytes of JSON. Far longer ones overflow llama.cpp's stack, which ends the process; optional parts
by the thousand keep every request waiting for minutes."""
_MESSAGE_KEYS = frozenset(
    {"content", "name", "reasoning_content", "role", "tool_call_id", "tool_calls"}
)
_IDLE_MESSAGE_KEYS = frozenset({"annotations", "audio", "function_call", "refusal"})
"""Of an answer that a client sends back, with nothing in them."""
_ALWAYS = {
    "return_progress": True,  # so that a request can be stopped while its prompt is read
    "stream": True,
    "stream_options": {"include_usage": True},
    "timings_per_token": True,
}
_RANDOM_SEED = 2**32 - 1  # what llama.cpp takes for "none"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """How one model of a process answers.

    Attributes:
        options: its own defaults.
        system_prompt: put before conversations without a system message.
        lora: the scale of each adapter of the process, as the server wants it.
        completion: names what completes its answers.
        grammar: what they follow, unless a request asks for a form of its own.
        end_token: the one with which the model ends an answer, by its file.
        calling: how it calls functions.
        learned_calls: whether it was trained to: one call an answer, which ends by itself.
    """

    options: LlamaOptions
    system_prompt: str | None = None
    lora: tuple[dict[str, float], ...] = ()
    completion: Completion | None = None
    grammar: str | None = None
    end_token: int | None = None
    calling: Calling = "prompted"
    learned_calls: bool = False


@dataclass(frozen=True, slots=True)
class LlamaRequest:
    """A request as the server takes it.

    Attributes:
        bodies: one per choice; choice i answers input i // n.
        n: choices per input.
        stop: strings before which an answer ends.
        include_usage: whether a stream ends with an event that holds the usage.
        top_logprobs: alternatives per token; None: no log-probabilities.
        parameter: the one to blame for an error that names none.
        form: what the engine holds each answer to; None: nothing.
        limit: the parameter that limits the tokens of an answer, and its value; None: none does, or
            it may not be clamped.
    """

    bodies: tuple[bytes, ...]
    n: int
    stop: tuple[str, ...]
    include_usage: bool
    top_logprobs: int | None
    parameter: str
    form: Form | None = None
    limit: tuple[str, int] | None = None


def read_request(
    request: ModelRequest, model: ServedModel, control_tokens: ControlTokens
) -> LlamaRequest:
    """Reads a request.

    Raises:
        InvalidPrompt: it asks for something that this engine does not serve.
    """
    known = _PASSED[request.operation] | _READ | _RENAMED.keys()
    fields = asked(request, known, "engine llama does not serve it")
    _check_lengths(fields)
    body = _ALWAYS | _parameters(request, fields, control_tokens)
    body |= _defaults(fields, model.options)
    inputs: list[dict[str, Any]] = [{}]
    form = None
    if request.operation == "chat":
        body["messages"] = _messages(fields["messages"], model, control_tokens)
        form = _shape_answer(body, fields, model, control_tokens)
        _hold_to(form, body, fields, model)
    else:
        inputs = [{"prompt": prompt} for prompt in _prompts(fields["prompt"])]
    if (top_logprobs := _top_logprobs(request, fields)) is not None:
        body |= _asking_logprobs(request, top_logprobs)
    if model.lora:
        body["lora"] = model.lora
    n, stop = int(fields.get("n", 1)), fields.get("stop", ())
    return LlamaRequest(
        bodies=tuple(
            msgspec.json.encode(body | given | _seed(fields.get("seed"), choice))
            for given in inputs
            for choice in range(n)
        ),
        n=n,
        stop=tuple(filter(None, [stop] if isinstance(stop, str) else stop)),
        include_usage=bool(_mapping(fields, "stream_options").get("include_usage")),
        top_logprobs=top_logprobs,
        parameter="messages" if request.operation == "chat" else "prompt",
        form=form,
        limit=_limit(fields) if request.clamp_max_tokens else None,
    )


def _parameters(
    request: ModelRequest, fields: Mapping[str, Any], control_tokens: ControlTokens
) -> dict[str, Any]:
    """What goes on as it came, under the names that llama.cpp has for it."""
    passed = _PASSED[request.operation] | _RENAMED.keys()
    body = {_RENAMED.get(key, key): fields[key] for key in passed & fields.keys()}
    if "chat_template_kwargs" in body:
        body["chat_template_kwargs"] = control_tokens.as_text(body["chat_template_kwargs"])
    return body


def _shape_answer(
    body: dict[str, Any],
    fields: Mapping[str, Any],
    model: ServedModel,
    control_tokens: ControlTokens,
) -> Form | None:
    """Says in the body which form its answer has, and returns what the engine holds it to; None:
    the form is llama.cpp's own affair, or there is none."""
    tools, choice = callable_tools(fields), fields.get("tool_choice", "auto")
    shown = control_tokens.as_text(tools or fields.get("tools", []))
    if tools and model.calling == "native":
        body |= {"tools": shown, "tool_choice": choice if isinstance(choice, str) else "required"}
        return None
    for key in _FORMS & body.keys():
        del body[key]
    if model.calling == "prompted":
        body["messages"] = prompted(body["messages"], shown if tools else ())
    elif shown:
        body |= {"tools": shown, "tool_choice": "none"}  # llama.cpp's grammar is not wanted
    longest = _limit(body)
    max_tokens = None if longest is None else longest[1]
    if tools and model.learned_calls:
        return form_of(fields, max_tokens, 1)
    return _form(fields, max_tokens, bounded=model.options.default_bounded_schemas)


def _form(fields: Mapping[str, Any], max_tokens: int | None, *, bounded: bool) -> Form | None:
    if bounded:
        most = most_calls(fields, max_tokens)
        form = form_of(bounded_fields(fields, max_tokens), max_tokens, most)
        if form is None or can_hold(form):
            return form
    return form_of(fields, max_tokens)


def _hold_to(
    form: Form | None, body: dict[str, Any], fields: Mapping[str, Any], model: ServedModel
) -> None:
    """Adds the grammar of a form, or else of the model's card, to the body."""
    if form is not None:
        if "grammar" in fields:
            raise InvalidPrompt("grammar", f"not together with {form.parameter}; leave one out")
        body["grammar"] = grammar_of(form.rule, model.end_token)
        if not form.text:  # there is no place for a model to think aloud
            kwargs = body.get("chat_template_kwargs", {}) | {"enable_thinking": False}
            body |= {"chat_template_kwargs": kwargs, "reasoning_format": "none"}
    elif model.grammar and not asks_for_form(fields):
        body["grammar"] = grammar_for(model.grammar, fields["messages"], model.end_token)


def _check_lengths(fields: Mapping[str, Any]) -> None:
    for name, longest in _LONGEST.items():
        if name in fields and len(msgspec.json.encode(fields[name])) > longest:
            raise InvalidPrompt(name, f"engine llama takes {longest:,} bytes of it at most")


def _limit(fields: Mapping[str, Any]) -> tuple[str, int] | None:
    names = ("max_completion_tokens", "max_tokens")
    return next(((name, int(fields[name])) for name in names if name in fields), None)


def _defaults(fields: Mapping[str, Any], options: LlamaOptions) -> dict[str, Any]:
    """What the request leaves open and niche.yaml settles. What neither does, the model's file
    does, or else the server's own parameters."""
    defaults: dict[str, Any] = {
        "temperature": options.default_temperature,
        "top_p": options.default_top_p,
        "max_tokens": options.default_max_tokens,
    }
    if "max_completion_tokens" in fields:
        del defaults["max_tokens"]
    if any(fields.get(penalty) for penalty in _PENALTIES):
        defaults["repeat_last_n"] = options.max_context_tokens  # its own default is 64
    return {
        key: value for key, value in defaults.items() if value is not None and key not in fields
    }


def _messages(
    given: Sequence[Any], model: ServedModel, control_tokens: ControlTokens
) -> list[dict[str, Any]]:
    messages = [_message(turn) for turn in given]
    system = any(message["role"] == "system" for message in messages)
    if model.system_prompt and not system:
        messages.insert(0, {"role": "system", "content": model.system_prompt})
    return [control_tokens.as_text(message) for message in messages]


def _message(turn: Mapping[str, Any]) -> dict[str, Any]:
    message = {}
    for key, value in turn.items():
        if key in _MESSAGE_KEYS and (value is not None or key == "content"):
            message[key] = value
        elif value or key not in _MESSAGE_KEYS | _IDLE_MESSAGE_KEYS:
            raise InvalidPrompt("messages", f"engine llama does not serve {key!r} in a message")
    if message.get("role") == "developer":
        message["role"] = "system"
    if isinstance(message.get("content"), list):
        message["content"] = "\n".join(_text(part) for part in message["content"])
    return with_readable_calls(message)


def _text(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else part
    if kind != "text":
        raise InvalidPrompt("messages", f"engine llama serves text alone, and no part {kind!r}")
    return str(part.get("text", ""))


def _prompts(given: Any) -> list[Any]:
    """Texts, or lists of token ids."""
    several = isinstance(given, list) and not (given and isinstance(given[0], int))
    prompts = given if several else [given]
    if not all(prompts) or not prompts:
        raise InvalidPrompt("prompt", "the prompt has no tokens")
    return list(prompts)


def _top_logprobs(request: ModelRequest, fields: Mapping[str, Any]) -> int | None:
    wanted = fields.get("logprobs")
    if request.operation == "completion":
        return None if wanted is None else int(wanted)
    return int(fields.get("top_logprobs", 0)) if wanted else None


def _asking_logprobs(request: ModelRequest, top: int) -> dict[str, Any]:
    """Asks for one alternative at least, as the server gives none for none."""
    asked = max(top, 1)
    if request.operation == "completion":
        return {"logprobs": asked}
    return {"logprobs": True, "top_logprobs": asked}


def _seed(seed: int | None, choice: int) -> dict[str, Any]:
    """The seed of one of several choices. A prompt that was partly read before gives numbers that
    differ in their last digits; so one with a seed is read anew."""
    if seed is None:
        return {}
    return {"seed": (int(seed) + choice) % _RANDOM_SEED, "cache_prompt": False}


def _mapping(fields: Any, key: str) -> dict[str, Any]:
    value = fields.get(key) if isinstance(fields, dict) else None
    return value if isinstance(value, dict) else {}
