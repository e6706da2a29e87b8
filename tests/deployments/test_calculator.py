"""The calculator: arithmetic and nothing else, exact, and quick whatever it is given."""

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.calculator import calculate, completed
from deployments.completions import COMPLETIONS, completion

_NUMBER = st.one_of(
    st.integers(0, 10**6).map(str),
    st.decimals(0, 10**6, places=3).map(lambda value: f"{value:f}"),
)


@st.composite
def sums(draw: st.DrawFn, depth: int = 3) -> tuple[str, Fraction | None]:
    """An expression, and its value worked out beside it; None where it divides by zero."""
    if not depth or draw(st.booleans()):
        text = draw(_NUMBER)
        return text, Fraction(text)
    left, one = draw(sums(depth - 1))
    right, other = draw(sums(depth - 1))
    sign = draw(st.sampled_from("+-*/"))
    space = draw(st.sampled_from(["", " "]))
    text = f"({left}){space}{sign}{space}({right})"
    if one is None or other is None or (sign == "/" and not other):
        return text, None
    made = {"+": one + other, "-": one - other, "*": one * other}
    return text, one / other if sign == "/" else made[sign]


@given(sums().filter(lambda made: len(made[0]) <= 200))
def test_values_are_those_of_fractions(made: tuple[str, Fraction | None]) -> None:
    """Exact, whatever is added, multiplied and divided."""
    text, value = made

    assert calculate(text) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("10 - 2 - 3", 5),
        ("8 / 4 / 2", 1),
        ("-3 + 5", 2),
        ("2 * -3", -6),
        ("--3", 3),
        ("0.1 + 0.2", Fraction(3, 10)),
        (".5 * 2.", 1),
        (" 7 ", 7),
        ("123456789012345678.5 * 2", 246913578024691357),
    ],
)
def test_signs_bind_as_in_school(expression: str, value: Fraction) -> None:
    """Multiplication before addition, from left to right, a minus before a number."""
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1 / 0",
        "1 / (2 - 2)",
        "2 ** 3",
        "7 // 2",
        "7 % 2",
        "1,000",
        "1 2",
        "1 (2)",
        "(1)(2)",
        "()",
        "(1",
        "1 +",
        "1 = 1",
        "x + 1",
        "1e9",
        "0x10",
        "1_000",
        "1j",
        "True",
        "[1][0]",
        "(1, 2)",
        "(1).real",
        "1 if 1 else 2",
        "__import__('os')",
        "1\n+ 1",
        "1 + \u0661",
        "9**9**9**9",
    ],
)
def test_what_is_no_arithmetic_has_no_value(expression: str) -> None:
    """Names, calls, powers, other digits and half an expression are nothing to work out."""
    assert calculate(expression) is None


@given(st.text())
def test_any_text_has_a_value_or_none(text: str) -> None:
    """Never an error, whatever a model writes."""
    assert isinstance(calculate(text), Fraction | None)
    assert isinstance(completed(text), str)


@given(st.text("0123456789.+-*/() ", max_size=250))
def test_any_text_of_its_letters_has_a_value_or_none(text: str) -> None:
    """Nor whatever is written with the letters of arithmetic alone."""
    assert isinstance(calculate(text), Fraction | None)


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("(" * 100_000 + "1" + ")" * 100_000, id="parentheses"),
        pytest.param("(" * 99 + "1" + ")" * 99, id="parentheses within the limit"),
        pytest.param("-" * 199 + "1", id="signs"),
        pytest.param("9" * 100_000, id="digits"),
        pytest.param("*".join(["9" * 9] * 19), id="a large product"),
        pytest.param("9**" * 60 + "9", id="powers"),
        pytest.param("1+" * 100_000 + "1", id="a long sum"),
    ],
)
def test_hostile_input_is_quick(expression: str) -> None:
    """A model that repeats itself does not hold up an answer."""
    started = time.monotonic()

    calculate(expression)
    completed(f"{expression}=")

    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("answer", "added"),
    [
        ("76 - 25 =", " 51"),
        ("76-25= ", " 51"),
        ("First:\n(2 + 3) * 4 =\n", " 20"),
        ("3 - 5 =", " -2"),
        ("1 / 3 =", " 0.333333"),
        ("-2 / 3 =", " -0.666667"),
        ("1 / 4 =", " 0.25"),
        ("1 / 10000000 =", " 0"),
        ("-1 / 10000000 =", " 0"),
        ("2 + 1 / 10000000 =", " 2"),
        ("99999999999999999999 / 2 =", " 49999999999999999999.5"),
        ("100 * 10 =", " 1000"),
    ],
)
def test_an_open_equation_gets_its_result(answer: str, added: str) -> None:
    """The last line is worked out; results are rounded to six digits and have no idle zeros."""
    assert completed(answer) == added


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "=",
        "76 - 25",
        "76 - 25 = 51",
        "x =",
        "1 / 0 =",
        "5 = 5 =",
        "76 - 25 =\nso",
        "so 2 + 2 =",
    ],
)
def test_anything_else_is_left_as_it_is(answer: str) -> None:
    """Nothing is added where nothing is open, or nothing can be worked out."""
    assert completed(answer) == ""


@given(sums().filter(lambda made: len(made[0]) <= 200))
def test_a_result_is_never_worked_out_twice(made: tuple[str, Fraction | None]) -> None:
    """An answer that was completed is complete."""
    answer = f"{made[0]} ="

    assert completed(answer + completed(answer)) == ""


def test_a_completion_goes_by_its_name() -> None:
    """What a card or a niche names is what adds; without a name nothing is added."""
    assert completion("calculator")("2 + 2 =") == " 4"
    assert completion(None)("2 + 2 =") == ""
    assert list(COMPLETIONS) == ["calculator"]
