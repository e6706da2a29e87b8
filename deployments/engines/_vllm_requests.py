"""From OpenAI's request to the body that vLLM's serving layer takes. Without I/O.

That layer has many parameters of its own, which choose adapters, templates, queues and caches. So
only what is named here goes on; everything else is refused by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from deployments.answer_grammar import asks_for_form, grammar_for
from deployments.completions import Completion
from deployments.control_tokens import ControlTokens
from deployments.engines._openai_requests import RequestBuilder, Wanted
from deployments.engines._vllm_options import VllmOptions
from deployments.parameters import asked
from deployments.protocol import ModelRequest
from deployments.tool_calls import with_readable_calls

_SHARED = frozenset(
    {
        "bad_words",
        "frequency_penalty",
        "ignore_eos",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "min_p",
        "min_tokens",
        "n",
        "presence_penalty",
        "repetition_penalty",
        "response_format",
        "seed",
        "stop",
        "stop_token_ids",
        "stream_options",
        "structured_outputs",
        "temperature",
        "top_k",
        "top_p",
    }
)
_PASSED = {
    "chat": _SHARED
    | {
        "chat_template_kwargs",
        "include_reasoning",
        "max_completion_tokens",
        "messages",
        "parallel_tool_calls",
        "reasoning_effort",
        "thinking_token_budget",
        "tool_choice",
        "tools",
        "top_logprobs",
    },
    "completion": _SHARED | {"echo", "prompt"},
}
_LIMITS = ("max_completion_tokens", "max_tokens")
_TEXT_OF_CLIENTS = ("chat_template_kwargs", "messages", "tools")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """How one model of a process answers.

    Attributes:
        options: its own defaults.
        served_name: what vLLM calls the base with its adapter.
        system_prompt: put before conversations without a system message.
        completion: names what completes its answers.
        grammar: what its answers follow, unless a request asks for a form of its own.
    """

    options: VllmOptions
    served_name: str
    system_prompt: str | None = None
    completion: Completion | None = None
    grammar: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """How many tokens an answer has at most, where fewer are as good.

    Attributes:
        tokens: the number.
        told: the parameter, if the client gave it.
    """

    tokens: int
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VllmRequest:
    """A request as vLLM takes it.

    Attributes:
        body: asks for a stream.
        wanted: how the client wants its answer.
        limit: None: it may not be lowered, or there is none.
    """

    body: bytes
    wanted: Wanted
    limit: Limit | None = None

    def limited_to(self, tokens: int | None) -> bytes:
        """The body with another limit; None: with none."""
        fields: dict[str, Any] = msgspec.json.decode(self.body)
        kept = {key: value for key, value in fields.items() if key not in _LIMITS}
        return msgspec.json.encode(kept if tokens is None else kept | {"max_tokens": tokens})


def read_request(
    request: ModelRequest, model: ServedModel, control_tokens: ControlTokens
) -> VllmRequest:
    """Reads a request.

    Raises:
        InvalidPrompt: it asks for something that this engine does not serve.
    """
    fields = asked(request, _PASSED[request.operation], "engine vllm does not serve it")
    if model.grammar and "messages" in fields and not asks_for_form(fields):
        fields["structured_outputs"] = {"grammar": grammar_for(model.grammar, fields["messages"])}
    if "messages" in fields:
        fields["messages"] = [with_readable_calls(turn) for turn in fields["messages"]]
    for key in _TEXT_OF_CLIENTS:
        if key in fields:
            fields[key] = control_tokens.as_text(fields[key])
    limit = _limit(request, fields, model.options)
    fields = _defaults(fields, model.options) | fields
    if fields.get("n", 1) > 1 and fields.get("temperature") == 0:
        fields |= {"temperature": 1.0, "top_k": 1}  # the same; vLLM refuses several greedy choices
    # The count so far with every event, so that each chunk knows its tokens.
    options = fields.get("stream_options") or {}
    counts = {"include_usage": True, "continuous_usage_stats": True}
    extra = {"stream_options": options | counts, "request_id": request.request_id}
    builder = RequestBuilder(model.served_name, model.system_prompt, extra)
    encoded = replace(request, body=msgspec.json.encode(fields))
    return VllmRequest(*builder.build(encoded, stream=True), limit)


def _limit(request: ModelRequest, fields: Mapping[str, Any], options: VllmOptions) -> Limit | None:
    """The client's, if it may be lowered, or else that of niche.yaml."""
    name = next((name for name in _LIMITS if name in fields), None)
    if name is None:
        default = options.default_max_tokens
        return None if default is None else Limit(default, told=())
    return Limit(fields[name], told=(name,)) if request.clamp_max_tokens else None


def _defaults(fields: Mapping[str, Any], options: VllmOptions) -> dict[str, Any]:
    """What niche.yaml settles for requests that leave it open; the model's files settle the
    rest."""
    defaults = {"temperature": options.default_temperature, "top_p": options.default_top_p}
    if "max_completion_tokens" not in fields:
        defaults["max_tokens"] = options.default_max_tokens
    return {key: value for key, value in defaults.items() if value is not None}
