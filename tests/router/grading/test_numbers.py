"""The number that an answer comes to."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.grading.counts import Reference
from router.grading.numbers import last_number, number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("42", 42),
        ("It is 42.", 42),
        ("3 + 4 = 7", 7),
        ("1,234", 1234),
        ("1,234,567.89 dollars", 1234567.89),
        ("1,23", 23),
        ("12345,678", 678),
        ("0.5", 0.5),
        (".5", 0.5),
        ("$-7.50", -7.5),
        ("-$7.50", -7.5),
        ("it is \u2212\u20ac1,200", -1200),
        ("8-$3", 3),
        ("\u22127", -7),
        ("-7", -7),
        ("(-7)", -7),
        ("8-3", 3),
        ("(4)-3", 3),
        ("x-2", 2),
        ("COVID-19", 19),
        ("8 -3", -3),
        ("1/2", 0.5),
        ("-3/4", -0.75),
        ("3 1/2", 3.5),
        ("-3 1/2 miles", -3.5),
        ("3 12", 12),
        ("1e3", 1000),
        ("2.5E-2 metres", 0.025),
        ("3e", 3),
        ("1e999", None),
        ("50%", 50),
        ("12 apples", 12),
        ("7 or 8", 8),
        ("1/0", None),
        ("none", None),
        ("", None),
        ("-", None),
        ("9" * 400, None),
        ("\u0663", 3),
    ],
)
def test_the_last_number_is_read(text: str, found: float | None) -> None:
    """Separators, decimals, fractions and signs are understood; units are passed over."""
    assert last_number(text) == found


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("The answer is $1,234.00.", "1234"),
        ("0.333333", "1/3"),
        ("33.33", "33.3333"),
        ("76 - 25 = 51", "51"),
        ("-5", "3 - 8 = -5"),
        ("20000.00", "20,000"),
    ],
)
def test_the_same_number_is_right_however_it_is_written(answer: str, right: str) -> None:
    """Rounding to cents is no mistake."""
    assert number(answer, Reference(right)).hits


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("", "51"),
        ("fifty-one", "51"),
        ("51, since 76 - 25 leaves 50", "51"),
        ("5", "-5"),
        ("33.4", "33.3333"),
        ("20001", "20000"),
        ("1000000", "1000001"),
        ("1/0", "1"),
        ("9" * 400, "1"),
    ],
)
def test_another_number_is_wrong(answer: str, right: str) -> None:
    """However large both are: a whole number that is off by one is another."""
    assert not number(answer, Reference(right)).hits


@given(st.integers(-(10**12), 10**12))
def test_every_whole_number_is_read(value: int) -> None:
    """With separators and without, alone and in a sentence."""
    for text in (f"{value}", f"{value:,}", f"so 3 of them cost {value} dollars."):
        assert last_number(text) == value


@example(0.875)
@given(st.floats(-1e9, 1e9))
def test_every_decimal_is_right(value: float) -> None:
    """A number is right however many digits are given after the point, from two on."""
    assert number(f"= {value:.2f}", Reference(f"{value:.9f}")).hits


@given(st.text(), st.floats(-1e9, 1e9))
def test_any_text_is_graded(answer: str, right: float) -> None:
    """Whatever a model says is right or wrong, never an error."""
    assert number(answer, Reference(f"{right:f}")).wanted == 1


def test_a_reference_without_a_number_grades_nothing() -> None:
    """That is an error in the data, and no answer's fault."""
    with pytest.raises(ValueError, match="none"):
        number("5", Reference("none"))
