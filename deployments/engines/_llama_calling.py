"""How a model calls functions: as its chat template says, if somebody reads that."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from deployments.engines._llama_errors import Refused
from deployments.tagged_calls import Calling, calling_of

_log = logging.getLogger("deployments.engines.llama")

Chat = Callable[[bytes], Sequence[bytes]]
"""Gives the events of the answer to a chat, or raises `Refused`."""

_FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {}}}
_SURELY = 1000.0
"""A bias that decides which token comes next, if nothing forbids that."""


def calling_in(model: Path, chat_template: str, end_token: int | None, chat: Chat) -> Calling:
    """How the model of a file calls. A form that llama.cpp does not read would reach clients as
    text, so such a model is told of functions in another way; the log says so.

    Args:
        model: the file.
        chat_template: its template.
        end_token: the one with which it ends an answer.
        chat: asks it.
    """
    calling = calling_of(chat_template)
    if calling != "native" or (end_token is not None and _is_read(end_token, chat)):
        return calling
    said = "llama.cpp does not read how this chat template calls functions; they are told as text"
    _log.warning(said, extra={"fields": {"file": str(model)}})
    return "prompted"


def _is_read(end_token: int, chat: Chat) -> bool:
    """Whether llama.cpp knows the form of calls: it holds answers to those that it knows, so one
    that has to call cannot end at once."""
    body = {
        "messages": [{"role": "user", "content": "f"}],
        "tools": [{"type": "function", "function": _FUNCTION}],
        "tool_choice": "required",
        "chat_template_kwargs": {"enable_thinking": False},
        "logit_bias": {str(end_token): _SURELY},
        "temperature": 0,
        "max_tokens": 1,
        "stream": True,
    }
    try:
        events = [msgspec.json.decode(event) for event in chat(json.dumps(body).encode())]
    except Refused:
        return False
    choices = [choice for event in events for choice in event.get("choices", ())]
    return any(choice["finish_reason"] == "length" for choice in choices)
