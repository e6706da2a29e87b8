"""`gateway.shadow`: what is refused, each with one clear line."""

import pytest
from pydantic import ValidationError

from gateway.config import GradingSection, JudgeSection, ShadowSection, parse_config
from tests.gateway.test_config import GENERALIST, SQL, faults, raw

PATH = {"path": "evidence.db"}
JUDGE = {"base_url": "http://judge/v1", "model": "wise"}


def stack(**shadow):
    return raw(SQL, gateway={"shadow": PATH | shadow})


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            stack(grading=[{"specialist": "sq"}]),
            "gateway.shadow.grading: no specialist sq; there are sql",
        ),
        (stack(share=0), "gateway.shadow.share: Input should be greater than 0 (value 0)"),
        (
            stack(grading=[{"specialist": "sql", "grade": "x"}]),
            "gateway.shadow.grading.0.grade: unknown key (value 'x'); "
            "allowed here: specialist, by, grader, keys",
        ),
        (
            raw(SQL | {"begins": "shadow"}),
            "specialists[0].begins: 'shadow' would last for ever; set gateway.shadow",
        ),
        (
            stack(judge=JUDGE | {"base_url": "http://127.0.0.1:8000/v1/"}),
            "gateway.shadow.judge: 'wise' would judge its own answers; name another model",
        ),
    ],
)
def test_a_fault_is_one_clear_line(config, line):
    """The line names the key, the value and the remedy."""
    assert faults(config) == [line]


@pytest.mark.parametrize(("url", "fair"), [("http://judge/v1", False), ("http://other/v1", True)])
def test_the_judge_is_none_of_those_it_judges(url, fair):
    """A model of the same name on another server is another model."""
    upstream = {"engine": "openai", "model": "wise", "engine_options": {"base_url": url}}
    config = raw(SQL | upstream, gateway={"shadow": PATH | {"judge": JUDGE}})
    if fair:
        assert parse_config(config, "x").gateway.shadow.judge.model == "wise"
    else:
        assert len(faults(config)) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"grading": [{"specialist": "a"}, {"specialist": "a"}]}, "grading: a twice"),
        ({"grading": [{"specialist": "a", "by": "judge"}]}, "set gateway.shadow.judge"),
        ({"grading": [{"specialist": "a", "keys": ["x"]}]}, "keys go with by: json"),
        ({"grading": [{"specialist": "a", "grader": "best"}]}, "no grader 'best'; allowed: choice"),
    ],
)
def test_grading_that_cannot_be_is_refused(settings, words):
    """What contradicts itself is found before anything starts."""
    with pytest.raises(ValidationError, match=words):
        ShadowSection(**(PATH | settings))


def test_who_has_no_grading_is_graded_by_feedback():
    """The default asks for nothing that the operator has not set up."""
    judge = JudgeSection(**JUDGE)
    mine = GradingSection(specialist="sql", by="judge")
    section = ShadowSection(path="x", grading=(mine,), judge=judge)
    assert section.grading_of("sql") is mine
    assert section.grading_of("tools") == GradingSection(specialist="tools", by="feedback")


def test_nothing_is_compared_unless_asked_for():
    """A stack that says nothing about it compares nothing, and writes nothing down."""
    assert parse_config({"generalist": GENERALIST}, "x").gateway.shadow is None
