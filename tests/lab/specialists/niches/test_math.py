"""`math`: equations as people write them, from two sets' own notations."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.calculator import calculate
from lab.specialists.niches.math import NICHE, folded, infix


@pytest.mark.parametrize(
    ("prefix", "numbers", "written"),
    [
        ("- number0 number1", ["8", "2"], "8 - 2"),
        ("number0", ["5"], "5"),
        ("* number0 100.0", ["5"], "5 * 100"),
        ("+ * number0 number1 number2", ["2", "3", "4"], "(2 * 3) + 4"),
        ("- number2 + number0 number1", ["2", "3", "9"], "9 - (2 + 3)"),
        ("/ + number0 number1 - number2 number0", ["1", "2", "3"], "(1 + 2) / (3 - 1)"),
        ("+ number1 number0", ["0.5", "7.25"], "7.25 + 0.5"),
    ],
)
def test_prefix_becomes_infix(prefix: str, numbers: list[str], written: str) -> None:
    """Every inner operation stands in parentheses, the outer one does not."""
    assert infix(prefix, numbers) == written


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> tuple[str, Fraction]:
    """An equation in prefix notation over three numbers, and its value."""
    values = (Fraction(3), Fraction(10), Fraction("2.5"))
    if not depth or draw(st.booleans()):
        place = draw(st.integers(0, 2))
        return f"number{place}", values[place]
    (left, one), (right, other) = draw(trees(depth - 1)), draw(trees(depth - 1))
    sign = draw(st.sampled_from("+-*/" if other else "+-*"))
    value = {"+": one + other, "-": one - other, "*": one * other}.get(sign)
    return f"{sign} {left} {right}", one / other if value is None else value


@given(trees())
def test_infix_has_the_same_value(tree: tuple[str, Fraction]) -> None:
    """However deep the operations are nested."""
    prefix, value = tree

    assert calculate(infix(prefix, ["3", "10", "2.5"])) == value


@pytest.mark.parametrize(
    ("solution", "written"),
    [
        ("He has 5*2=<<5*2=10>>10 now.\n#### 10", "5 * 2"),
        ("So <<5*2=10>>10 and <<10+3=13>>13.\n#### 13", "(5 * 2) + 3"),
        ("<<48/2=24>>24, <<48+24=72>>72\n#### 72", "48 + (48 / 2)"),
        ("<<2+3=5>> <<4*5=20>> <<20-1=19>>\n#### 19", "(4 * (2 + 3)) - 1"),
        ("<<1000+234=1234>>\n#### 1,234", "1000 + 234"),
        ("<<.5*8=4>>\n#### 4", ".5 * 8"),
    ],
)
def test_a_worked_solution_folds(solution: str, written: str) -> None:
    """What a later step uses of an earlier one is replaced by that step."""
    assert folded(solution) == written


@pytest.mark.parametrize(
    "solution",
    [
        pytest.param("It is 5.\n#### 5", id="no step"),
        pytest.param("<<1+1=2>> <<2+1=3>> <<3+1=4>> <<4+1=5>>\n#### 5", id="too many steps"),
        pytest.param("<<5*2=10>>\n#### 11", id="another result"),
        pytest.param("<<5*x=10>>\n#### 10", id="a name"),
        pytest.param("<<100*20%=20>>\n#### 20", id="a percentage"),
        pytest.param("<<5*2=10>> no result", id="no result"),
    ],
)
def test_what_does_not_fold_is_left_out(solution: str) -> None:
    """Only an equation that comes to the solution's own result is one to learn."""
    assert folded(solution) is None


def test_the_calculator_completes_its_answers() -> None:
    """The specialist writes the equation; the result is worked out."""
    assert NICHE.completion == "calculator"
    assert NICHE.complete("8 - 2 =") == " 6"
