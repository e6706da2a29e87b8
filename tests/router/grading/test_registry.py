"""The graders by name."""

import pytest

from router.grading.counts import Reference
from router.grading.execution import table_schema
from router.grading.registry import GRADERS, as_read

_CALL = '<tool_call>\n{"name": "a", "arguments": {"b": 1}}\n</tool_call>'

RIGHT = {
    "arguments": Reference(_CALL),
    "calls": Reference(_CALL),
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

    assert as_read(said, "json", '{"a": 2}') == '{"a": 1}'
    assert as_read(said, "number", "3") == said


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ('[{"a": 1}, {"b": 2}]', '[{"a": 1}, {"b": 2}]'),
        ('```json\n[{"a": 1}, "]"]\n```', '[{"a": 1}, "]"]'),
        ('Here it is: ["select one"] Enjoy.', '["select one"]'),
        ('{"code": "```x```"}', '{"code": "```x```"}'),
        ('Here it is: [{"a": 1}] Enjoy.', '{"a": 1}'),
    ],
)
def test_json_is_read_as_the_right_answer_is(said: str, right: str) -> None:
    """A list where that is one, else an object; fences and queries within are theirs."""
    assert GRADERS["json"](as_read(said, "json", right), Reference(right)).hits


@pytest.mark.parametrize(
    ("said", "right"), [('[{"a": 1}, {"a": 2}]', '{"a": 1}'), ('{"error": [1, 2]}', "[1, 2]")]
)
def test_json_that_contains_the_right_value_is_another_value(said: str, right: str) -> None:
    """An answer that is JSON is graded as it is."""
    assert not GRADERS["json"](as_read(said, "json", right), Reference(right)).hits


@pytest.mark.parametrize(
    ("said", "grader", "right"),
    [
        ('I select this one: {"a": 1}', "json", '{"a": 1}'),
        ("From {b} I take: SELECT a FROM t", "sql", "SELECT a FROM t"),
    ],
)
def test_talk_that_looks_like_another_kind_of_answer_is_talk(
    said: str, grader: str, right: str
) -> None:
    """Where JSON is asked for, words of SQL are words; and the other way round."""
    assert GRADERS[grader](as_read(said, grader, right), Reference(right)).hits
