"""Values given by hand."""

import pytest

from lab.planning.given import given
from lab.planning.measured import ANY, Measured, Work
from lab.planning.traffic import PlanError
from tests.lab.planning.machines import MEASURED


def test_given_seconds_win_over_measured_ones() -> None:
    """In every domain; tokens stay as measured."""
    known = Measured({}, {(ANY, "sql"): Work(10, 5.0, 200), ("sql", "sql"): Work(10, 8.0, 300)})

    found = given(known, {"sql": 0.25}, {}, {})

    assert found.work == {(ANY, "sql"): Work(1, 0.25, 20), ("sql", "sql"): Work(1, 0.25, 30)}


def test_a_speed_makes_seconds_of_tokens() -> None:
    """Of measured ones or given ones."""
    assert given(MEASURED, {}, {}, {"large": 1000}).work[(ANY, "large")] == Work(1, 0.1, 100)
    assert given(MEASURED, {}, {"new": 50}, {"new": 500}).work[(ANY, "new")] == Work(1, 0.1, 50)


def test_tokens_alone_change_tokens_alone() -> None:
    """The seconds stay."""
    assert given(MEASURED, {}, {"sql": 7}, {}).work[(ANY, "sql")] == Work(1, 0.5, 7)


@pytest.mark.parametrize(
    ("tokens", "speed", "words"),
    [({}, {"new": 10}, "how many tokens"), ({"new": 10}, {}, "how fast")],
    ids=["no-tokens", "no-speed"],
)
def test_half_of_it_is_not_enough(tokens, speed, words) -> None:
    """It says what is missing."""
    with pytest.raises(PlanError, match=words):
        given(Measured(), {}, tokens, speed)


def test_what_was_measured_otherwise_stays() -> None:
    """Traffic, sources and other models."""
    found = given(MEASURED, {"sql": 1.0}, {}, {})

    assert (found.traffic, found.sources) == (MEASURED.traffic, MEASURED.sources)
    assert found.work[(ANY, "large")] == MEASURED.work[(ANY, "large")]
