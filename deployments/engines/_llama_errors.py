"""What llama.cpp's errors mean, as `BackendError`s. Pure functions."""

import re
from typing import Any

from deployments.protocol import BackendError, InvalidPrompt, Overloaded, PromptTooLong, Unavailable

_TOO_LONG = "exceed_context_size_error"
_MAX_WORDS = 300
_PARAMETER = re.compile(
    r"\b(messages|tools|tool_choice|parallel_tool_calls|response_format|json_schema|grammar|"
    r"top_logprobs|logprobs|logit_bias|temperature|top_p|max_completion_tokens|max_tokens|stop|seed|"
    r"presence_penalty|frequency_penalty|prompt)\b"
)
_RETRY_AFTER_SECONDS = 1.0


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
        return PromptTooLong(
            default, f"the prompt has {prompt} tokens and the context {context}; shorten it"
        )
    match facts.get("code"):
        case 400:
            return _refused(message, default)
        case 429:
            return Overloaded(model, 0, _RETRY_AFTER_SECONDS)
    return Unavailable(model, f"llama.cpp failed: {message}")


def raised_error(error: Exception, default: str) -> Exception:
    """The exception for one that the server raised instead of taking a request: of a template, a
    schema, a grammar. Any other is returned as it is."""
    if isinstance(error, (ValueError, RuntimeError, IndexError)):
        return _refused(str(error)[:_MAX_WORDS], default)
    return error


def _refused(message: str, default: str) -> InvalidPrompt:
    named = _PARAMETER.search(message)
    return InvalidPrompt(named[1] if named else default, f"llama.cpp refuses: {message}")
