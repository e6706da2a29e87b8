"""The judge's questions, and what its replies are worth."""

import pytest

from router.grading.judge import are_alike, grade, questions, read_reply

A, B, TIE, NONE = "VERDICT: A", "VERDICT: B", "VERDICT: TIE", "I cannot say."


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        pytest.param("A", 1.0, id="one letter"),
        pytest.param(" **b**.\n", 0.0, id="a letter with marks"),
        pytest.param("tie", 0.5, id="a tie in one word"),
        pytest.param("Verdict: B? A is short. VERDICT: A", 1.0, id="the last verdict"),
        pytest.param("A. Answer B is wrong.", None, id="a letter beside words"),
        pytest.param("Verdict: Agree", None, id="a longer word"),
        pytest.param("Verdict: a tie", 0.5, id="an article and a tie"),
        pytest.param("Final verdict: a slight edge to answer B.", None, id="an article"),
        pytest.param("VERDICT: Answer B", 0.0, id="an answer by its letter"),
        pytest.param("**Verdict: Answer A**\nIt is short.", 1.0, id="a line of its own"),
        pytest.param("VERDICT: A tie, or nearly", None, id="words after it"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_reply_is_read_by_its_verdict(reply: str, score: float | None) -> None:
    """Words beside a verdict count for nothing."""
    assert read_reply(reply) == score


@pytest.mark.parametrize(
    ("forward", "reverse", "score"),
    [
        pytest.param(A, B, 1.0, id="first both times"),
        pytest.param(B, A, 0.0, id="second both times"),
        pytest.param(A, TIE, 0.75, id="first, then a tie"),
        pytest.param(TIE, A, 0.25, id="a tie, then second"),
        pytest.param(A, A, 0.5, id="a judge that favours a place"),
        pytest.param(TIE, TIE, 0.5, id="a tie both times"),
        pytest.param(NONE, B, None, id="unreadable, then first"),
        pytest.param(A, None, None, id="a missing reply"),
    ],
)
def test_each_order_is_half_of_the_grade(
    forward: str | None, reverse: str | None, score: float | None
) -> None:
    """A grade needs a verdict in both orders."""
    assert grade(forward, reverse) == score


def test_the_answers_change_places() -> None:
    """The first answer is A in one question, and B in the other."""
    there, back = questions("Why?", "Because.", "Dunno.")

    assert there.index("Because.") < there.index("Dunno.")
    assert back.index("Dunno.") < back.index("Because.")
    assert "Why?" in there


def test_a_right_answer_is_told_if_it_is_known() -> None:
    """A judge need not know everything."""
    assert all("Rayleigh" in text for text in questions("Why?", "x", "y", "Rayleigh"))
    assert "right answer" not in questions("Why?", "x", "y")[0]


def test_space_around_an_answer_makes_no_difference() -> None:
    """Two answers that say the same need no judge."""
    assert are_alike("same", " same\n")
    assert not are_alike("same", "other")
