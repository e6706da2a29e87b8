"""A calculator for models that write equations better than they solve them.

Expressions are parsed, never executed, and have only numbers, `+ - * /` and parentheses. Values are
exact fractions.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction

_LONGEST = 200
"""The maximum length of an expression, which bounds the parser's time and depth."""

_BINARY: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculate(expression: str) -> Fraction | None:
    """The value of an arithmetic expression; None if it is invalid or has no value."""
    text = expression.strip()
    if len(text) > _LONGEST or not set(text) <= set("0123456789.+-*/() "):
        return None
    try:
        return _value(ast.parse(text, mode="eval").body, text)
    except (SyntaxError, ValueError, ZeroDivisionError, MemoryError, RecursionError):
        return None


def _value(node: ast.expr, text: str) -> Fraction:
    match node:
        case ast.Constant():
            # From the source text: a float would round it.
            return Fraction(text[node.col_offset : node.end_col_offset])
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, text)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _BINARY[type(sign)](_value(left, text), _value(right, text))
    raise ValueError("not arithmetic")


def completed(answer: str) -> str:
    """The text to add to an answer that ends in an open equation, such as `76 - 25 =`; else "".

    Reads the last line. Results are integers, or rounded to six decimals.
    """
    line = answer.rstrip().rpartition("\n")[2]
    if not line.endswith("="):
        return ""
    result = calculate(line[:-1])
    return "" if result is None else f" {_decimal(result)}"


def _decimal(number: Fraction) -> str:
    millionths = round(number * 10**6)
    whole, part = divmod(abs(millionths), 10**6)
    digits = f".{part:06}".rstrip("0").rstrip(".")
    return f"{'-' if millionths < 0 else ''}{whole}{digits}"
