"""Requests to a model, and what its chunks say."""

import json
from collections.abc import Sequence
from typing import Any

from deployments.protocol import INPUTS, Chunk, ModelRequest, Operation


def chat(content: Any = "hello", model: str = "tiny", **body: Any) -> ModelRequest:
    """A chat with one message of the user; `body` are further parameters, or other messages."""
    return model_request(model, {"messages": [{"role": "user", "content": content}]} | body)


def completion(prompt: Any = "hello", model: str = "tiny", **body: Any) -> ModelRequest:
    """A text completion; `body` are further parameters."""
    return model_request(model, {"prompt": prompt} | body)


def embedding(given: Any = "hello", model: str = "tiny", **body: Any) -> ModelRequest:
    """A request for embeddings; `body` are further parameters."""
    return model_request(model, {"input": given} | body)


def rerank(
    documents: Any = ("a", "b"), query: Any = "hello", model: str = "tiny", **body: Any
) -> ModelRequest:
    """A request for a ranking; `body` are further parameters."""
    return model_request(model, {"query": query, "documents": documents} | body)


def model_request(model: str, body: dict[str, Any]) -> ModelRequest:
    """A request with that body, `r1`; further attributes with `dataclasses.replace`."""
    dialect: Operation = next((of for of, given in INPUTS.items() if given in body), "completion")
    prefix = {"chat": "chatcmpl", "completion": "cmpl", "embedding": "embd", "rerank": "rerank"}
    return ModelRequest(
        request_id="r1",
        model=model,
        operation=dialect,
        body=json.dumps(body).encode(),
        response_id=f"{prefix[dialect]}-1",
        created=1_700_000_000,
    )


def objects(chunks: Sequence[Chunk]) -> list[Any]:
    """The JSON of each chunk."""
    return [json.loads(chunk.data) for chunk in chunks]


def text_of(chunks: Sequence[Chunk], index: int = 0) -> str:
    """What choice `index` says, streamed or whole, in either dialect."""
    return "".join(
        _said(choice)
        for answer in objects(chunks)
        for choice in answer["choices"]
        if choice["index"] == index
    )


def _said(choice: dict[str, Any]) -> str:
    if "text" in choice:
        return str(choice["text"])
    return str((choice.get("delta") or choice.get("message") or {}).get("content") or "")
