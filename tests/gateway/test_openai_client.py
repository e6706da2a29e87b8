"""The parameters of the official client; the rest of it is in `tests/clients/test_openai.py`."""

import inspect

import openai
import pytest

from gateway.dialects.embeddings import EmbeddingRequest
from gateway.dialects.parse import CHAT_UNSUPPORTED, TEXT_UNSUPPORTED
from gateway.dialects.schemas import ChatRequest, TextRequest


@pytest.mark.parametrize(
    ("create", "request_type", "unsupported"),
    [
        (openai.resources.chat.Completions.create, ChatRequest, CHAT_UNSUPPORTED),
        (openai.resources.Completions.create, TextRequest, TEXT_UNSUPPORTED),
        (openai.resources.Embeddings.create, EmbeddingRequest, {}),
    ],
    ids=["chat", "text", "embeddings"],
)
def test_every_parameter_of_the_client_is_known(create, request_type, unsupported):
    """Each parameter that the client can send is served, or refused as unsupported by its name."""
    transport = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}

    sent = set(inspect.signature(create).parameters) - transport

    assert sent - set(request_type.__struct_fields__) - set(unsupported) == set()
