"""A model as judge: both orders, and never of itself."""

import json
from pathlib import Path

import pytest

from lab.comparison.endpoint import Catalogue, Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.experiment import RequestedArms, plan_experiment
from lab.comparison.judge import Judge, check_judge, judged_quality, judgements
from lab.comparison.outcomes import Outcome, Timing
from lab.comparison.rows import Row, read_rows

HERE, THERE = Endpoint("http://here/v1"), Endpoint("http://there/v1")
JUDGE = Judge(THERE, "solomon")


def row_in(folder: Path, **more: str) -> Row:
    path = folder / "set.jsonl"
    path.write_text(json.dumps({"prompt": "Why?", "grader": "judge", **more}))
    return read_rows(path)[0]


def said(text: str, arm: str = "auto", error: str | None = None) -> Outcome:
    return Outcome("row", arm, arm, text, Timing(None, 1.0), error=error)


def questions(row: Row, auto: Outcome, generalist: Outcome) -> list[str]:
    outcomes = {"auto": {row.key: auto}, "generalist": {row.key: generalist}}
    return [ask.chat[0].content for ask in judgements([row], outcomes, JUDGE)]


def test_each_pair_is_judged_in_both_orders(tmp_path: Path) -> None:
    """The arm's answer is A once, and B once."""
    first, second = questions(row_in(tmp_path), said("Because."), said("Dunno."))

    assert first.index("Because.") < first.index("Dunno.")
    assert second.index("Dunno.") < second.index("Because.")
    assert "user: Why?" in first


def test_a_right_answer_is_told_to_the_judge(tmp_path: Path) -> None:
    """Where the row has one."""
    row = row_in(tmp_path, answer="Rayleigh")

    assert "A right answer is: Rayleigh" in questions(row, said("a"), said("b"))[0]


@pytest.mark.parametrize(
    ("auto", "generalist"),
    [
        pytest.param(said("same "), said("same"), id="the same answer"),
        pytest.param(said("x", error="e"), said("y"), id="a failed arm"),
        pytest.param(said("x"), said("", error="e"), id="a failed baseline"),
    ],
)
def test_what_is_clear_is_not_asked(tmp_path: Path, auto: Outcome, generalist: Outcome) -> None:
    """The same answer is as good, and none is worse."""
    assert questions(row_in(tmp_path), auto, generalist) == []


@pytest.mark.parametrize(
    ("first", "second", "quality"),
    [
        pytest.param("VERDICT: A", "VERDICT: B", 1.0, id="better in both orders"),
        pytest.param("VERDICT: A", "VERDICT: TIE", 0.75, id="better in one order"),
        pytest.param("VERDICT: B", "I cannot say", None, id="one reply is unreadable"),
    ],
)
def test_the_quality_is_the_grade_of_both_replies(
    first: str, second: str, quality: float | None
) -> None:
    """Each order is half of it."""
    words = {"auto/first": said(first), "auto/second": said(second)}

    assert judged_quality("auto", said("x"), said("y"), words) == quality


def test_a_missing_reply_is_no_verdict() -> None:
    """What was not said is not made up."""
    words = {"auto/first": said("VERDICT: A")}

    assert judged_quality("auto", said("x"), said("y"), words) is None


def test_the_same_answer_is_as_good() -> None:
    """Without a judge."""
    assert judged_quality("auto", said("y "), said("y"), {}) == 0.5


def test_the_baseline_is_as_good_as_itself() -> None:
    """Half, so that better is more and worse is less."""
    assert judged_quality("generalist", said("y"), said("y"), {}) == 0.5


def test_a_failure_loses() -> None:
    """Whoever's it is."""
    failed = said("", error="HTTP 500")

    assert judged_quality("auto", failed, said("y"), {}) == 0.0
    assert judged_quality("auto", said("x"), failed, {}) == 1.0
    assert judged_quality("generalist", failed, failed, {}) == 0.0


@pytest.mark.parametrize("model", ["auto", "big", "sql"])
def test_nobody_judges_himself(model: str) -> None:
    """Nor a model that auto may choose."""
    arms = plan_experiment(
        RequestedArms(HERE), Catalogue(("auto", "big", "sql"), "big", {"sql": "sql"})
    )

    with pytest.raises(ComparisonError, match=f"--judge-model {model}"):
        check_judge(Judge(THERE, model), arms)
    check_judge(JUDGE, arms)
