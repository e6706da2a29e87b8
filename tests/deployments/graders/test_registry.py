"""The graders by name."""

import pytest

from deployments.graders.counts import Reference
from deployments.graders.execution import table_schema
from deployments.graders.registry import GRADERS, as_read

RIGHT = {
    "choice": Reference("B"),
    "entities": Reference('{"chemicals": ["NaCl"], "diseases": []}'),
    "json": Reference('{"a": 1}'),
    "mentions": Reference("Paris"),
    "number": Reference("5 - 2 = 3"),
    "sql": Reference("SELECT a FROM t"),
    "sql_execution": Reference("SELECT a FROM t", table_schema(["a"])),
    "text": Reference("yes"),
}


@pytest.mark.parametrize("name", sorted(GRADERS))
def test_a_grader_tells_a_right_answer_from_an_empty_one(name: str) -> None:
    """Each grader by name accepts the expected answer and refuses silence."""
    right = RIGHT[name]

    assert GRADERS[name](right.answer, right).quality == 1
    assert GRADERS[name]("", right).quality == 0


def test_talk_around_a_query_or_json_is_taken_away_and_no_other() -> None:
    """A word problem's or a quiz's answer is read as it stands."""
    said = 'Here you are: {"a": 1}'

    assert as_read(said, "json") == '{"a": 1}'
    assert as_read(said, "number") == said
