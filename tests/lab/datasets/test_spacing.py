"""Text that was cut into tokens, put together as people write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.datasets.spacing import joined


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("He runs .", "He runs."),
        ("one , two ; three : four !", "one, two; three: four!"),
        ("Does n't it ?", "Doesn't it?"),
        ("I do n't .", "I don't."),
        ("John 's book", "John's book"),
        ("Parkinson ' s disease", "Parkinson's disease"),
        ("we ' re , they 'll , I 'd", "we're, they'll, I'd"),
        ("dose - related", "dose-related"),
        ("10 mg / day", "10 mg/day"),
        ("( a b )", "(a b)"),
        ("[ 1 ]", "[1]"),
        ("$ 5 . 50", "$5.50"),
        ("$ 1 , 000", "$1,000"),
        ("50 %", "50%"),
        ("  a \n b\t", "a b"),
        ("plain words", "plain words"),
        ("", ""),
    ],
)
def test_marks_stand_where_people_put_them(cut: str, whole: str) -> None:
    """Before no comma is a space, after no opening parenthesis, and in no number."""
    assert joined(cut) == whole


def test_quotation_marks_stay() -> None:
    """Which side they belong to is not known."""
    assert joined('he said " yes " twice') == 'he said " yes " twice'


_TEXT = st.text("ab1 .,;:?!%()[]$'-/\"st \n")


@given(_TEXT)
def test_nothing_but_white_space_goes(text: str) -> None:
    """Every letter and mark is there afterwards, in its order."""
    assert "".join(joined(text).split()) == "".join(text.split())


@given(_TEXT)
def test_no_white_space_comes(text: str) -> None:
    """It is never longer, and has no two spaces in a row and none at its ends."""
    made = joined(text)

    assert len(made) <= len(text)
    assert made == " ".join(made.split())


@given(_TEXT)
def test_joining_twice_is_joining_once(text: str) -> None:
    """What people write is left as it is."""
    assert joined(joined(text)) == joined(text)
