"""Malformed requests, over a socket to a server without HAProxy: each gets the status, and the body
of the shape, that the corpus says. `make fuzz` sends them to a real stack as well."""

from pathlib import Path

import pytest

from tests.fuzz import wire
from tests.fuzz.gateway import app
from tests.gateway.stacks import on_loopback


def test_every_malformed_request_has_the_answer_of_the_corpus(tmp_path: Path) -> None:
    """None is a failure of the gateway, and it answers the next request."""
    with on_loopback(app(tmp_path)) as address:
        count, wrong = wire.differing("server", address)

    assert wrong == []
    assert count >= 700


@pytest.mark.parametrize("where", ["edge", "server"])
def test_names_are_unique_and_nothing_is_expected_to_fail(where: wire.Where) -> None:
    """An entry is known by its name; 501 is a method that nobody knows."""
    entries = wire.corpus(where)

    assert len({entry.name for entry in entries}) == len(entries)
    failing = [of.name for of in entries for each in of.expected[where] if each.startswith("50")]
    assert all(name.split(":")[0] in {"targets", "lines"} for name in failing)
