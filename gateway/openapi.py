"""The OpenAPI 3.1 document, generated from the wire types and the tables that the code uses."""

from typing import Any, get_args

import msgspec

from gateway.dialects.embeddings import EmbeddingList, EmbeddingRequest
from gateway.dialects.messages import MESSAGES_UNSUPPORTED
from gateway.dialects.messages_schemas import (
    Event,
    MessageAnswer,
    MessageError,
    MessagesRequest,
    TokenCount,
    TokenCountRequest,
)
from gateway.dialects.parse import CHAT_UNSUPPORTED, HINTS, TEXT_UNSUPPORTED
from gateway.dialects.rerank import Ranking, RerankRequest
from gateway.dialects.responses import RESPONSES_UNSUPPORTED
from gateway.dialects.responses_schemas import (
    DeletedResponse,
    Response,
    ResponseEvent,
    ResponsesRequest,
)
from gateway.dialects.route_schemas import RouteBody, RouteRequest
from gateway.dialects.schemas import (
    ChatChunk,
    ChatCompletion,
    ChatRequest,
    TextCompletion,
    TextRequest,
)
from gateway.errors import TABLE, ErrorBody
from gateway.evidence.schemas import (
    EvidenceBody,
    FeedbackBody,
    FeedbackReply,
    Order,
    PairsBody,
    SpecialistBody,
)
from gateway.model_schemas import ModelList, ModelObject
from gateway.page.assets import MEDIA_TYPES
from gateway.specialists.schemas import NewSpecialist, SpecialistChange


def _given(parameter: str) -> dict[str, Any]:
    return {"required": [parameter], "properties": {parameter: {"not": {"type": "null"}}}}


_TYPES = (
    ChatRequest,
    ChatCompletion,
    ChatChunk,
    TextRequest,
    TextCompletion,
    ResponsesRequest,
    Response,
    ResponseEvent,
    DeletedResponse,
    EmbeddingRequest,
    EmbeddingList,
    MessagesRequest,
    MessageAnswer,
    *get_args(Event),
    TokenCountRequest,
    TokenCount,
    MessageError,
    RerankRequest,
    Ranking,
    RouteRequest,
    RouteBody,
    ModelList,
    ModelObject,
    EvidenceBody,
    FeedbackBody,
    FeedbackReply,
    Order,
    PairsBody,
    SpecialistBody,
    NewSpecialist,
    SpecialistChange,
    ErrorBody,
)
_REFERENCE = "#/components/schemas/{name}"
_ERRORS = "default"
API_VERSION = "1"
"""The version of the paths under `/v1`, not of the gateway."""
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
_REFUSED_PARAMETERS: dict[type[msgspec.Struct], dict[str, tuple[Any, ...]]] = {
    ChatRequest: CHAT_UNSUPPORTED,
    TextRequest: TEXT_UNSUPPORTED,
    ResponsesRequest: RESPONSES_UNSUPPORTED,
    MessagesRequest: MESSAGES_UNSUPPORTED,
    TokenCountRequest: MESSAGES_UNSUPPORTED,
}
_ALSO: dict[type[msgspec.Struct], dict[str, Any]] = {
    FeedbackBody: {"anyOf": [_given("score"), _given("correction")]},
    RouteRequest: {"oneOf": [_given("messages"), _given("prompt")]},
}
"""What types cannot say: which parameters a body needs of several."""
_EXPOSITION = ("text/plain", "application/openmetrics-text")
"""As the scraper accepts it."""
ANSWER_HEADERS = (
    "x-request-id",
    "x-client-request-id",
    "x-niche-domain",
    "x-niche-model",
    "x-niche-confidence",
    "x-niche-reason",
    "x-niche-not-applied",
    "x-niche-rewritten",
    "x-niche-cost",
)
"""The headers of an answer."""


def describe(*, keys: bool = False, metrics: bool = True) -> dict[str, Any]:
    """The whole OpenAPI document.

    Args:
        keys: whether requests need one.
        metrics: whether `/metrics` is served.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "Niche", "version": API_VERSION, "description": _error_table()},
        "paths": {
            **_completion_paths(),
            **_response_paths(),
            "/v1/embeddings": {"post": _embedding()},
            **_messages_paths(),
            "/v1/rerank": {"post": _ranking()},
            "/v1/niche/route": {"post": _deciding()},
            "/v1/models": {"get": _reading("listModels", "All models", ModelList)},
            "/v1/models/{model}": {
                "parameters": [_in_path("model")],
                "get": _reading("retrieveModel", "One model", ModelObject),
            },
            **_evidence_paths(),
            **_specialist_paths(),
            **_plain_paths(),
            **(_metrics_path() if metrics else {}),
        },
        "security": [*({name: []} for name in _KEYS), *(() if keys else ({},))],
        "components": {"schemas": _schemas(), "securitySchemes": _KEYS},
    }


def _schemas() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template=_REFERENCE)
    for kind, refused in _REFUSED_PARAMETERS.items():
        schemas[kind.__name__]["properties"] |= {
            name: {"enum": [None, *idle], "description": "not served"}
            for name, idle in refused.items()
        }
    for kind, also in _ALSO.items():
        schemas[kind.__name__] |= also
    return schemas


def _completion_paths() -> dict[str, Any]:
    chunks, texts = _completing(ChatChunk), _completing(TextCompletion)
    chat = _answering("chat", ChatRequest, ChatCompletion, chunks, CHAT_UNSUPPORTED)
    text = _answering("text", TextRequest, TextCompletion, texts, TEXT_UNSUPPORTED)
    return {"/v1/chat/completions": {"post": chat}, "/v1/completions": {"post": text}}


def _response_paths() -> dict[str, Any]:
    described = _answering(
        "response", ResponsesRequest, Response, _events(ResponseEvent), RESPONSES_UNSUPPORTED
    )
    answering = {"operationId": "createResponse", "summary": "Answers in items"}
    return {
        "/v1/responses": {"post": described | answering},
        "/v1/responses/{response_id}": {
            "parameters": [_in_path("response_id")],
            "get": _reading("retrieveResponse", "A stored answer", Response),
            "delete": _reading("deleteResponse", "Forgets one", DeletedResponse),
        },
    }


def _messages_paths() -> dict[str, Any]:
    answering = _telling(
        "messages", "An answer in the words of Anthropic's API", MessagesRequest, MessageAnswer
    )
    answering["description"] = f"Refused unless null: {', '.join(sorted(MESSAGES_UNSUPPORTED))}."
    events = _events(*get_args(Event), MessageError)
    answering["responses"]["200"]["content"]["text/event-stream"] = events
    summary = "How many tokens a conversation has"
    counting = _telling("countTokens", summary, TokenCountRequest, TokenCount)
    for operation in (answering, counting):
        operation["responses"][_ERRORS] = _error(MessageError, "Anthropic's")
    return {"/v1/messages": {"post": answering}, "/v1/messages/count_tokens": {"post": counting}}


def _evidence_paths() -> dict[str, Any]:
    return {
        "/v1/feedback": {
            "post": _telling("feedback", "Feedback to an answer", FeedbackBody, FeedbackReply)
        },
        "/v1/niche/evidence": {
            "get": _reading("evidence", "Evidence of the online evaluation", EvidenceBody)
        },
        "/v1/niche/pairs/{request_id}": {
            "parameters": [_in_path("request_id")],
            "get": _reading("pairs", "Pairs of answers that wait for a grade", PairsBody),
        },
        "/v1/niche/lifecycle/{model}": {
            "parameters": [_in_path("model")],
            "post": _telling("order", "Changes the state of a specialist", Order, SpecialistBody),
        },
    }


def _specialist_paths() -> dict[str, Any]:
    added = _telling("addSpecialist", "Adds a specialist", NewSpecialist, SpecialistChange, "202")
    return {
        "/v1/niche/specialists": {"post": added},
        "/v1/niche/specialists/{name}": {
            "parameters": [_in_path("name")],
            "delete": _reading("removeSpecialist", "Removes one", SpecialistChange, "202"),
        },
    }


def _metrics_path() -> dict[str, Any]:
    return {"/metrics": {"get": _plain("metrics", "Prometheus metrics", *_EXPOSITION)}}


def _plain_paths() -> dict[str, Any]:
    ready = _plain("readyz", "Readiness; names the models that cannot answer")
    ready["responses"]["503"] = ready["responses"]["200"]
    return {
        "/": {"get": _plain("page", "The gateway's web page", "text/html")},
        "/page/{name}": {
            "parameters": [_in_path("name")],
            "get": _plain("pageFile", "A file of the web page", *MEDIA_TYPES.values()),
        },
        "/healthz": {"get": _plain("healthz", "Liveness")},
        "/readyz": {"get": ready},
        "/openapi.json": {"get": _plain("openapi", "This document")},
    }


def _answering(
    name: str,
    request: type[msgspec.Struct],
    whole: type,
    events: dict[str, Any],
    unsupported: dict[str, tuple[Any, ...]],
) -> dict[str, Any]:
    refused = ", ".join(sorted(unsupported))
    hints = ", ".join(sorted(HINTS.intersection(request.__struct_fields__)))
    answer = {
        "description": "The answer; with `stream: true` as server-sent events",
        "headers": {header: {"schema": {"type": "string"}} for header in ANSWER_HEADERS},
        "content": {
            "application/json": {"schema": _reference(whole)},
            "text/event-stream": events,
        },
    }
    return {
        "operationId": f"{name}Completions",
        "summary": f"Completes a {name}",
        "description": f"Refused unless null or without effect: {refused}. Hints, named in "
        f"x-niche-not-applied where the model does not take them: {hints}.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _reference(request)}},
        },
        "responses": {"200": answer, _ERRORS: _error()},
    }


def _completing(event: type) -> dict[str, Any]:
    return _events(event, ErrorBody, end="[DONE]")


def _events(*kinds: type, end: str | None = None) -> dict[str, Any]:
    """A stream, by what each event is; `end`: the data of the last one, where that is no JSON."""
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"anyOf": [_reference(kind) for kind in kinds]},
    }
    words = data if end is None else {"anyOf": [{"const": end}, data]}
    properties = {"event": {"type": "string"}, "data": words}
    return {"schema": {"type": "object", "properties": properties, "required": ["data"]}}


def _embedding() -> dict[str, Any]:
    return _telling("embeddings", "A vector for each input", EmbeddingRequest, EmbeddingList)


def _ranking() -> dict[str, Any]:
    return _telling("rerank", "How relevant documents are to a query", RerankRequest, Ranking)


def _deciding() -> dict[str, Any]:
    summary = "The routing decision for a conversation or a text, without an answer"
    return _telling("route", summary, RouteRequest, RouteBody)


def _reading(operation: str, summary: str, answer: type, status: str = "200") -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(answer)}}
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {status: {"description": summary, "content": content}, _ERRORS: _error()},
    }


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _telling(
    operation: str, summary: str, request: type, answer: type, status: str = "200"
) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(request)}}
    return _reading(operation, summary, answer, status) | {
        "requestBody": {"required": True, "content": content}
    }


def _plain(operation: str, summary: str, *media_types: str) -> dict[str, Any]:
    """What needs no key."""
    answer = {
        "description": summary,
        "content": {media_type: {} for media_type in media_types or ("application/json",)},
    }
    return {
        "operationId": operation,
        "summary": summary,
        "security": [],
        "responses": {"200": answer, _ERRORS: _error()},
    }


def _error(kind: type = ErrorBody, whose: str = "OpenAI's") -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(kind)}}
    return {"description": f"An error, as {whose} API sends it", "content": content}


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _error_table() -> str:
    rows = sorted({(rule.status, rule.code) for rule in TABLE.values()})
    return "Errors: " + ", ".join(f"{status} {code}" for status, code in rows) + "."
