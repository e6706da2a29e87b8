"""Where queries go, with all specialists available."""

import pytest

from lab.routing.destinations import destinations
from router.policy import Thresholds
from router.types import Query
from tests.fakes import FakeClassifier

CLASSIFIER = FakeClassifier({"select": "sql", "play": "tools"})
TEXTS = ["select it", "hello", "play it"] * 200


def test_each_query_goes_to_its_specialist_or_to_nobody():
    """In their order, however many there are."""
    found = destinations(CLASSIFIER, [Query(text=text) for text in TEXTS])
    assert found.tolist() == ["sql", "general", "tools"] * 200


@pytest.mark.parametrize("least", [0.89, 0.91])
def test_the_operators_thresholds_count(least):
    """Below the confidence no specialist gets a query."""
    found = destinations(CLASSIFIER, [Query(text="select it")], Thresholds(min_confidence=least))
    assert found.tolist() == ["sql" if least < 0.9 else "general"]
