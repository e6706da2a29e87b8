"""Bytes on their way out."""

import json

from deployments.protocol import Chunk
from gateway.dialects.rendering import Forwarding, sse
from gateway.dialects.schemas import Niche

NICHE = Niche("sql", "sql-model", 0.9, "routed", "r1")


def test_the_gateways_key_is_added_and_nothing_else_changes():
    """Whatever the model sent stays as it was, byte for byte."""
    data = b'{"id":"x","choices":[{"delta":{"reasoning":"1.0","n":1e2}}]}'
    found = Forwarding().whole(Chunk(data), NICHE)
    assert found.startswith(data[:-1])
    assert json.loads(found)["niche"]["reason"] == "routed"


def test_an_event_is_one_data_line():
    """With a blank line after it."""
    assert Forwarding().event(Chunk(b"{}"), None) == b"data: {}\n\n"


def test_an_event_may_have_a_name():
    """As other dialects name theirs."""
    assert sse(b"{}", "ping") == b"event: ping\ndata: {}\n\n"
