"""The `choices` of an event or of a whole answer: what is in them, and the few things in which
servers differ from OpenAI's shape, made alike. Everything else in them stays as it came.
"""

import math
import re
from collections.abc import Container
from typing import Any, Literal

import msgspec
from msgspec import Raw

from deployments.message_content import is_read, thoughts_in, words_in

Part = Literal["delta", "message", "text"]
"""The key of what the model said: in a chat's event, in a whole chat, and in a completion."""

NULL, EMPTY_TEXT, EMPTY_OBJECT = Raw(b"null"), Raw(b'""'), Raw(b"{}")
_EMPTY = (b"null", b'""', b"[]", b"{}", b"false", b"")

_STOP = Raw(b'"stop"')
_NOTHING_SAID = Raw(b'{"role":"assistant","content":null}')
_CHARACTERS_PER_TOKEN = 4  # of English text, roughly

_GIVEN_UP = frozenset(
    {
        "abort",  # vLLM, SGLang
        "aborted",
        "canceled",
        "cancelled",
        "error",  # OpenRouter
        "failed",
        "insufficient_system_resource",  # DeepSeek
        "network_error",  # Z.ai
    }
)
"""Reasons with which servers end answers that they do not complete."""
_REASON = re.compile(r"[\w-]{1,40}")

_encode = msgspec.json.encode
_list_of_fields = msgspec.json.Decoder(list[dict[str, Raw]])
_fields = msgspec.json.Decoder(dict[str, Raw])
_parts = msgspec.json.Decoder(list[Any])
_logprobs = msgspec.json.Decoder(dict[str, list[Raw] | None])


def is_empty(value: Raw | None) -> bool:
    """Whether a value is absent, null or holds nothing."""
    return value is None or bytes(value) in _EMPTY


class Choice(msgspec.Struct):
    """What is read of a choice."""

    index: int | None = None
    delta: dict[str, Raw] | None = None
    message: dict[str, Raw] | None = None
    text: Raw = Raw(b"")
    finish_reason: str | None = None
    logprobs: Raw = Raw(b"")
    usage: Raw = Raw(b"")

    @property
    def told(self) -> bool:
        """Whether it has a place for what the model said, be that nothing."""
        has_text = bytes(self.text) not in (b"", b"null")
        return self.delta is not None or self.message is not None or has_text

    @property
    def broke_off(self) -> bool:
        """Whether its server gave it up, or ends it with what is no reason."""
        reason = self.finish_reason or "stop"
        return reason in _GIVEN_UP or not _REASON.fullmatch(reason)

    def said(self) -> list[Raw]:
        """What the model said: text, reasoning, tool calls, whatever else is beside the role."""
        part = self.message if self.delta is None else self.delta
        if part is None:
            part = {"text": self.text}
        silent = ("role", "reasoning") if "reasoning_content" in part else ("role",)
        return [value for key, value in part.items() if key not in silent and not is_empty(value)]

    def tokens(self) -> int:
        """The tokens of an event, if the server does not say: those with log-probabilities, or one
        if something is said."""
        return _logprobs_in(self.logprobs) or bool(self.said())

    def estimated_tokens(self) -> int:
        """The same of a whole answer: those with log-probabilities, or what texts of its length
        usually have."""
        characters = sum(len(bytes(value)) for value in self.said())
        return _logprobs_in(self.logprobs) or math.ceil(characters / _CHARACTERS_PER_TOKEN)


read_choices = msgspec.json.Decoder(list[Choice]).decode


def is_tidy(choice: Choice, part: Part, *, ends: bool) -> bool:
    """Whether a choice has OpenAI's shape; `ends`: whether no more comes of it."""
    if choice.index is None or choice.finish_reason == "" or (ends and not choice.finish_reason):
        return False
    if part == "text":
        return bytes(choice.text) not in (b"", b"null")
    said = choice.delta if part == "delta" else choice.message
    if said is None or _is_list(said.get("content")):
        return False
    return "reasoning_content" in said or not _is_text(said.get("reasoning"))


def tidied(choices: Raw, part: Part, *, ends: bool, spoken: Container[int] = ()) -> Raw:
    """The choices in OpenAI's shape. Where one has `spoken` before, its message repeats that."""
    edited = _list_of_fields.decode(choices)
    for position, choice in enumerate(edited):
        if is_empty(choice.get("index")):
            choice["index"] = Raw(b"%d" % position)
        if is_empty(choice.get("finish_reason")):
            choice["finish_reason"] = _STOP if ends else NULL
        if part == "text":
            choice["text"] = EMPTY_TEXT if is_empty(choice.get("text")) else choice["text"]
        elif part == "delta":
            choice["delta"] = _delta(choice, repeated=int(bytes(choice["index"])) in spoken)
        else:
            choice["message"] = _message(choice)
    return Raw(_encode(edited))


def _delta(choice: dict[str, Raw], *, repeated: bool) -> Raw:
    delta = choice.get("delta", NULL)
    if not _is_null(delta):
        return _in_openais_words(delta)
    message = choice.pop("message", NULL)
    if repeated or _is_null(message):
        return EMPTY_OBJECT
    fields = _fields.decode(_in_openais_words(message))
    if not is_empty(fields.get("tool_calls")):
        calls = _list_of_fields.decode(fields["tool_calls"])
        numbered = [{"index": number} | call for number, call in enumerate(calls)]
        fields["tool_calls"] = Raw(_encode(numbered))
    return Raw(_encode(fields))


def _message(choice: dict[str, Raw]) -> Raw:
    message = choice.get("message", NULL)
    if _is_null(message):
        message = choice.pop("delta", NULL)
    return _NOTHING_SAID if _is_null(message) else _in_openais_words(message)


def _in_openais_words(part: Raw) -> Raw:
    """A delta or a message whose content is a string where it was a list of texts and thoughts, and
    whose thoughts are in `reasoning_content` too where they were in that list or in `reasoning`."""
    fields = _fields.decode(part)
    content = fields.get("content")
    if content is not None and _is_list(content):
        parts = _parts.decode(content)
        if is_read(parts):  # what else may be in a list has no place in a string
            fields["content"] = Raw(_encode(words_in(parts)))
            if (thoughts := thoughts_in(parts)) and is_empty(fields.get("reasoning_content")):
                fields["reasoning_content"] = Raw(_encode(thoughts))
    if _is_text(fields.get("reasoning")):
        fields.setdefault("reasoning_content", fields["reasoning"])
    return Raw(_encode(fields))


def _is_null(value: Raw) -> bool:
    return bytes(value) == b"null"


def _is_list(value: Raw | None) -> bool:
    return value is not None and bytes(value).startswith(b"[")


def _is_text(value: Raw | None) -> bool:
    return value is not None and bytes(value).startswith(b'"')


def _logprobs_in(logprobs: Raw) -> int:
    """How many tokens have log-probabilities, in a chat's shape or in a completion's."""
    if is_empty(logprobs):
        return 0
    try:
        lists = _logprobs.decode(logprobs)
    except ValueError:
        return 0  # a shape of the server's own
    chosen = (lists.get(key) for key in ("content", "refusal", "tokens"))
    return sum(len(tokens) for tokens in chosen if tokens)
