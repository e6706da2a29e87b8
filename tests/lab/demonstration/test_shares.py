"""Who answered, over the stream."""

import pytest

from lab.demonstration.shares import shares


def test_a_share_is_of_the_latest_requests() -> None:
    """Of a window, and of fewer at the beginning."""
    found = shares(["a", "b", "b", "b", "a"], window=2)

    assert found == {"a": [1, 0.5, 0, 0, 0.5], "b": [0, 0.5, 1, 1, 0.5]}


def test_shares_add_up() -> None:
    """At every request, to 1."""
    models = [f"m{number * number % 7}" for number in range(50)]

    found = shares(models, window=9)

    for at in zip(*found.values(), strict=True):
        assert sum(at) == pytest.approx(1)


def test_nobody_answered() -> None:
    """An empty stream has no shares."""
    assert shares([], window=5) == {}
