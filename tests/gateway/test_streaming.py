"""Bytes on their way out."""

import json

from gateway.dialects.schemas import Niche
from gateway.streaming import sse, with_niche

NICHE = Niche("sql", "sql-model", 0.9, "routed", "r1")


def test_the_gateways_key_is_added_and_nothing_else_changes():
    """Whatever the model sent stays as it was, byte for byte."""
    data = b'{"id":"x","choices":[{"delta":{"reasoning":"1.0","n":1e2}}]}'
    found = with_niche(data, NICHE)
    assert found.startswith(data[:-1])
    assert json.loads(found)["niche"]["reason"] == "routed"


def test_an_event_is_one_data_line():
    """With a blank line after it."""
    assert sse(b"{}") == b"data: {}\n\n"
