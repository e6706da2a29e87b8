"""Bodies that together set every field of the wire types: for each field one where it says
something, by itself."""

from dataclasses import dataclass
from typing import Any

from deployments.tool_call_ids import marked
from gateway.dialects.embeddings import EmbeddingRequest
from gateway.dialects.messages_schemas import MessagesRequest, TokenCountRequest
from gateway.dialects.rerank import RerankRequest
from gateway.dialects.responses_schemas import ResponsesRequest
from gateway.dialects.schemas import ChatRequest, TextRequest
from tests.gateway.stacks import EMBEDDER, RANKER

Body = dict[str, Any]

IMAGE = "data:image/png;base64,AAAA"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
CALL_ID = marked("c1", "big")


@dataclass(frozen=True)
class Dialect:
    """A path, the type of its bodies, and bodies."""

    path: str
    kind: type
    samples: tuple[Body, ...]


def user(content: Any = "hello", **more: Any) -> Body:
    return {"role": "user", "content": content, **more}


def chat(*messages: Body, **more: Any) -> Body:
    return {"model": "auto", "messages": [*(messages or (user(),))], **more}


def function(name: str = "find", **more: Any) -> Body:
    described = {"name": name, "description": "finds", "parameters": SCHEMA, "strict": True}
    return {"type": "function", "function": described | more}


NAMED = {"type": "function", "function": {"name": "find"}}


def _allowing(*names: str) -> Body:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}}


CALL = {"id": CALL_ID, "type": "function", "function": {"name": "find", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": CALL_ID, "name": "find", "content": "found"}
FORM = {"name": "answer", "description": "an answer", "strict": True, "schema": SCHEMA}

_SAMPLING = {
    "max_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.5,
    "n": 2,
    "stop": ["xyz"],
    "seed": 1,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "service_tier": "flex",
    "store": True,
    "user": "u1",
}
_OF_ENGINES = {
    "top_k": 5,
    "min_p": 0.5,
    "repetition_penalty": 1.5,
    "min_tokens": 1,
    "stop_token_ids": [5],
}
"""Each is refused by name where the engine does not know it."""
_STREAMED = {
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": True},
}
_MARKED = {"prompt_cache_breakpoint": {"mode": "explicit"}}
_BIASED = {"logit_bias": {"5": 1.0}}

_CHATS = (
    chat(**_SAMPLING),
    *(chat(**{name: value}) for name, value in _OF_ENGINES.items()),
    chat(chat_template_kwargs={"a": 1}),
    chat(**_STREAMED),
    chat(**_BIASED),
    chat(logprobs=True, top_logprobs=2, max_completion_tokens=50, metadata={"a": "b"}),
    chat(
        prediction={"type": "content", "content": "x"},
        prompt_cache_key="k",
        prompt_cache_options={"ttl": "1h"},
        prompt_cache_retention="24h",
        reasoning_effort="low",
        safety_identifier="s",
        verbosity="low",
    ),
    chat(user("find"), tools=[function()], parallel_tool_calls=False),
    chat(tools=[function(), function("other")], tool_choice="required"),
    chat(tools=[function(), function("other")], tool_choice=NAMED),
    chat(tools=[function(), function("other")], tool_choice=_allowing("find", "other")),
    chat(
        user(
            [
                {"type": "text", "text": "hello"} | _MARKED,
                {"type": "image_url", "image_url": {"url": IMAGE}} | _MARKED,
            ]
        )
    ),
    chat(response_format={"type": "json_schema", "json_schema": FORM}),
    chat(response_format={"type": "json_object"}),
    chat(
        {"role": "system", "content": "Be brief.", "name": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}], "name": "b"},
        user([{"type": "text", "text": "hello"}], name="c"),
        {"role": "assistant", "content": "hi", "name": "d", "reasoning_content": "thought"},
        user([{"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}}]),
        {"role": "assistant", "content": None, "refusal": "no", "reasoning": "thought"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "never"}]},
        {"role": "assistant", "content": "well", "refusal": "no"},
        {"role": "assistant", "tool_calls": [CALL]},
        RESULT,
    ),
)

_TEXT = {"model": "auto", "prompt": "hello"}
_TEXTS = (
    _TEXT | _SAMPLING | {"logprobs": 2},
    *(_TEXT | {name: value} for name, value in _OF_ENGINES.items()),
    _TEXT | _STREAMED,
    _TEXT | _BIASED,
    _TEXT | {"model": "big", "prompt": ["hello", "you"]},
)


def response(*items: Body, **more: Any) -> Body:
    return {"model": "auto", "input": [*items] or "hello", **more}


def message(role: str, *content: Body) -> Body:
    return {"type": "message", "role": role, "content": [*content]}


def written(text: str) -> Body:
    return {"type": "input_text", "text": text}


_FIND: Body = {"type": "function"} | function()["function"]
_OTHER = _FIND | {"name": "other"}
_SPACE = {"type": "namespace", "name": "files", "description": "about files", "tools": [_FIND]}
_CALLED = {"type": "function_call", "call_id": CALL_ID, "name": "find", "arguments": "{}"}
_THOUGHT = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "thought"}]}
_SUMMARY = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "thought"}]}
_SAID = {"type": "output_text", "text": "hi"}
_ALLOWED = {
    "type": "allowed_tools",
    "mode": "auto",
    "tools": [{"type": "function", "name": name} for name in ("find", "other")],
}

_RESPONSES = (
    response(
        temperature=0.5,
        top_p=0.5,
        top_logprobs=2,
        max_output_tokens=50,
        max_tool_calls=3,
        instructions="Be brief.",
        metadata={"a": "b"},
        client_metadata={"a": "b"},
        user="u1",
        include=["reasoning.encrypted_content"],
        truncation="auto",
        store=True,
        safety_identifier="s",
        prompt_cache_key="k",
        prompt_cache_options={"ttl": "1h"},
        prompt_cache_retention="24h",
        service_tier="flex",
    ),
    response(stream=True, stream_options={"include_obfuscation": True}),
    response(previous_response_id="resp_1"),
    response({"type": "item_reference", "id": "msg_1"}),
    response(
        reasoning={
            "effort": "low",
            "summary": "auto",
            "generate_summary": "auto",
            "context": "auto",
            "mode": "fast",
        },
        text={"format": {"type": "json_schema"} | FORM, "verbosity": "low"},
    ),
    response(text={"format": {"type": "json_object"}}),
    response(message("user", written("find")), tools=[_FIND], parallel_tool_calls=False),
    response(message("user", written("find")), tools=[_SPACE, {"type": "web_search"}]),
    response(tools=[_FIND, _OTHER], tool_choice={"type": "function", "name": "find"}),
    response(tools=[_FIND | {"output_schema": SCHEMA}]),
    response(tools=[_FIND | {"defer_loading": True}]),
    response(message("user", written("find other")), tools=[_FIND, _OTHER], tool_choice=_ALLOWED),
    response(
        message("system", written("Be brief.")),
        message("user", {"type": "input_image", "image_url": IMAGE, "detail": "low"}),
        _THOUGHT,
        message("assistant", _SAID),
        message("user", written("more")),
        _SUMMARY,
        message("assistant", _SAID, {"type": "refusal", "refusal": "no"}),
        message("user", written("more")),
        _CALLED,
        {"type": "function_call_output", "call_id": CALL_ID, "output": "found"},
    ),
)


def says(role: str, *blocks: Body) -> Body:
    return {"role": role, "content": [*blocks]}


CACHED = {"cache_control": {"type": "ephemeral"}}
_IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
_TOOL = {"name": "find", "description": "finds", "input_schema": SCHEMA, "strict": True}
_USE = {"type": "tool_use", "id": CALL_ID, "name": "find", "input": {"a": 1}}


def text_block(text: str = "hello") -> Body:
    return {"type": "text", "text": text}


def conversation(*turns: Body, **more: Any) -> Body:
    return {"model": "auto", "messages": [*(turns or (user(),))], **more}


_CONVERSATIONS = (
    conversation(
        thinking={"type": "enabled", "budget_tokens": 1024},
        context_management={"edits": []},
        speed="fast",
        output_config={
            "effort": "low",
            "format": {"type": "json_schema", "schema": SCHEMA},
            "task_budget": {"type": "tokens", "total": 9},
        },
        **CACHED,
    ),
    conversation(
        tools=[
            _TOOL
            | CACHED
            | {
                "defer_loading": True,
                "eager_input_streaming": True,
                "input_examples": [{"a": 1}],
            }
        ],
        system="Be brief.",
    ),
    conversation(user("find"), tools=[_TOOL], tool_choice={"type": "none"}),
    *(
        conversation(
            user("find"), tools=[_TOOL], tool_choice=choice | {"disable_parallel_tool_use": True}
        )
        for choice in ({"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "find"})
    ),
    conversation(
        says("user", text_block(), _IMAGE),
        says("assistant", {"type": "thinking", "thinking": "well"}, text_block(), _USE),
        says(
            "user",
            {
                "type": "tool_result",
                "tool_use_id": CALL_ID,
                "content": [text_block("found")],
                "is_error": True,
            },
        ),
        says("system", text_block("Be kind.")),
        says("assistant", {"type": "redacted_thinking", "data": "x"}, text_block("hi")),
        user(),
    ),
    conversation(says("user", {"type": "image", "source": {"type": "url", "url": "https://a/b"}})),
    *(
        conversation(says("user", text_block()), says("assistant", block, text_block()), user())
        for block in (
            {"type": "thinking", "thinking": "well"} | CACHED,
            {"type": "redacted_thinking", "data": "x"} | CACHED,
        )
    ),
    conversation(says("user", text_block() | CACHED)),
    conversation(says("user", _IMAGE | CACHED)),
    conversation(says("user", text_block()), says("assistant", _USE | CACHED), user()),
    conversation(
        says("assistant", _USE),
        says("user", {"type": "tool_result", "tool_use_id": CALL_ID, "content": "a"} | CACHED),
    ),
)


def _limited(**more: Any) -> Body:
    return conversation(max_tokens=50, **more)


_MESSAGES = (
    *(body | {"max_tokens": 50} for body in _CONVERSATIONS),
    _limited(
        stop_sequences=["xyz"],
        temperature=0.5,
        top_p=0.5,
        metadata={"user_id": "u1"},
        diagnostics={"a": 1},
        service_tier="standard_only",
    ),
    _limited(stream=True),
    _limited(top_k=5),
)

_EMBEDDING = {"model": EMBEDDER.name, "input": ["hello", "you"]}
_RANKING = {"model": RANKER.name, "query": "hello", "documents": ["hello", {"text": "you"}]}

DIALECTS = (
    Dialect("/v1/chat/completions", ChatRequest, _CHATS),
    Dialect("/v1/completions", TextRequest, _TEXTS),
    Dialect("/v1/responses", ResponsesRequest, _RESPONSES),
    Dialect("/v1/messages", MessagesRequest, _MESSAGES),
    Dialect("/v1/messages/count_tokens", TokenCountRequest, _CONVERSATIONS),
    Dialect(
        "/v1/embeddings",
        EmbeddingRequest,
        (
            _EMBEDDING | {"encoding_format": "base64", "user": "u1"},
            _EMBEDDING | {"dimensions": 5},
        ),
    ),
    Dialect(
        "/v1/rerank",
        RerankRequest,
        (_RANKING | {"top_n": 1, "return_documents": True, "user": "u1"},),
    ),
)
