"""What llama.cpp's errors mean, as `BackendError`s. Pure functions."""

import re
from typing import Any

from deployments.protocol import BackendError, InvalidPrompt, Overloaded, PromptTooLong, Unavailable

_TOO_LONG = "exceed_context_size_error"
_TOO_LARGE = re.compile(r"\((\d+) tokens\) is too large to process.*batch size: (\d+)")
_MAX_WORDS = 300
_PARAMETER = re.compile(
    r"\b(messages|tools|tool_choice|parallel_tool_calls|response_format|json_schema|grammar|"
    r"top_logprobs|logprobs|logit_bias|temperature|top_p|max_completion_tokens|max_tokens|stop|seed|"
    r"presence_penalty|frequency_penalty|prompt)\b"
)
_RETRY_AFTER_SECONDS = 1.0


class Refused(Exception):
    """The server does not take a request, because of a template, a schema, a grammar."""


class Stopped(Exception):
    """The server takes no requests any more."""


def answered_error(model: str, error: Any, default: str) -> BackendError:
    """The exception for an error that the server answers with.

    Args:
        model: which one was asked.
        error: the `error` of its answer.
        default: the parameter to blame if its words name none.
    """
    facts = error if isinstance(error, dict) else {"message": str(error)}
    message = str(facts.get("message", "no message"))[:_MAX_WORDS]
    if facts.get("type") == _TOO_LONG:
        prompt, context = facts.get("n_prompt_tokens"), facts.get("n_ctx")
        return _too_long(default, prompt, context)
    if found := _TOO_LARGE.search(message):  # an input that has to fit one forward pass
        return _too_long(default, int(found[1]), int(found[2]))
    match facts.get("code"):
        case 400:
            return refusal(message, default)
        case 429:
            return Overloaded(model, 0, _RETRY_AFTER_SECONDS)
    return Unavailable(model, f"llama.cpp failed: {message}")


def _too_long(parameter: str, tokens: Any, context: Any) -> PromptTooLong:
    reason = f"{tokens} tokens > {context} maximum"
    return PromptTooLong(parameter, reason, prompt_tokens=tokens)


def refusal(message: str, default: str) -> InvalidPrompt:
    """The exception for a request that the server does not take; arguments as above."""
    named = _PARAMETER.search(message)
    reason = f"llama.cpp refuses: {message[:_MAX_WORDS]}"
    return InvalidPrompt(named[1] if named else default, reason)
