"""The conditions of a query on single columns, and values that meet or fail them."""

import re
import string
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from random import Random

from router.grading.lexer import Token, tokens_of

Cell = str | float | None
Draw = Callable[[bool, Random], Cell]
"""Draws a value that meets the condition, or one that fails it."""
Condition = tuple[str, Draw]
"""A folded column, and what its values are drawn by."""

_CONDITION = re.compile(
    r"""(?:"((?:[^"]|"")*)"|`([^`]*)`|\[([^\]]*)\]|\b([^\W\d]\w*))"""  # a column
    r"\s*(=|!=|<>|<=|>=|<|>)\s*"
    r"(?:'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?))"  # a text or a number
)
# Texts that sqlite reads as a number; Python's float accepts more, such as `nan` and `1_000`.
_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?[ \t\n\v\f\r]*", re.ASCII | re.IGNORECASE
)
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
# Each sign as it reads with its sides exchanged.
_MIRRORED = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<>": "!=",
    "<": ">",
    ">": "<",
    "<=": ">=",
    ">=": "<=",
}
_SUBQUERY = ["(", "select"]


def folded(name: str) -> str:
    """A column's name as sqlite compares it: ignoring the case of ASCII letters only."""
    return name.translate(_ASCII_LOWER)


def conditions_of(query: str, names: Collection[str]) -> list[Condition]:
    """The conditions on columns of these folded names: comparisons of a column with a literal
    first, then all others."""
    found: list[Condition] = []
    for *column, sign, text, bare in _CONDITION.findall(query):
        name = folded("".join(column).replace('""', '"'))
        found.append((name, partial(_compared, sign, bare or text.replace("''", "'"))))
    plain = {match.end(5) for match in _CONDITION.finditer(query)}
    tokens = [_as_text(token, names) for token in tokens_of(query)]
    for place in range(1, len(tokens) - 1):
        if tokens[place].end not in plain:
            found += _at(tokens, place, names)
    return [condition for condition in found if condition[0] in names]


def matched_columns(query: str) -> set[str]:
    """The folded columns that are compared with another column, or grouped by: the query finds
    more if their values repeat."""
    tokens, found = tokens_of(query), set[str]()
    for place, token in enumerate(tokens[:-1]):
        if token.symbol in ("=", "=="):
            sides = {tokens[place - 1].value, _qualified(tokens, place + 1)}
            found |= sides if _is_name(tokens[place - 1]) and "" not in sides else set()
        elif token.symbol in ("group", "using"):
            found |= {of.value for of in tokens[place + 1 : place + 12]}
        elif token.symbol == "in" and [of.symbol for of in tokens[place + 1 :][:2]] == _SUBQUERY:
            found |= {tokens[place - 1].value, _qualified(tokens, place + 3)}
    return {folded(name) for name in found}


def _as_text(token: Token, names: Collection[str]) -> Token:
    """A name in double quotes that no column has is a text, as in sqlite."""
    is_text = token.kind == "quoted" and folded(token.value) not in names
    return replace(token, kind="text") if is_text else token


def _is_name(token: Token) -> bool:
    return token.kind in ("word", "name", "quoted")


def _qualified(tokens: Sequence[Token], place: int) -> str:
    """The column of `column` or `table.column` at a place; empty if there is none."""
    ahead = tokens[place : place + 3]
    if not ahead or not _is_name(ahead[0]):
        return ""
    return ahead[2 if [of.symbol for of in ahead[1:2]] == ["."] and ahead[2:] else 0].value


def _at(tokens: Sequence[Token], place: int, names: Collection[str]) -> list[Condition]:
    """The condition whose operator is at a place, unless it is a plain comparison."""
    token, before = tokens[place], tokens[place - 1]
    if token.symbol in _MIRRORED and before.kind in ("text", "number"):
        column = folded(_qualified(tokens, place + 1))
        return [(column, partial(_compared, _MIRRORED[token.symbol], before.value))]
    negated = before.symbol == "not"
    operand = _operand(tokens, place - 1 - negated)
    columns = [folded(of.value) for of in operand if _is_name(of)]
    column = next((name for name in columns if name in names), "")
    if token.symbol in _MIRRORED:
        draw = _sign_draw(token.symbol, tokens, place, operand)
    else:
        draw = _word_draw(token.symbol, tokens, place + 1)
    return [(column, partial(_negated, draw) if negated else draw)] if draw else []


def _operand(tokens: Sequence[Token], place: int) -> Sequence[Token]:
    """The operand that ends at a place: a name, or a call."""
    start, depth = place, tokens[place].depth
    if tokens[place].symbol == ")":
        while start > 0 and (tokens[start].symbol, tokens[start].depth) != ("(", depth):
            start -= 1
    return tokens[start : place + 1]


def _sign_draw(
    sign: str, tokens: Sequence[Token], place: int, operand: Sequence[Token]
) -> Draw | None:
    """The draw of a comparison with a literal, unless `_CONDITION` has it."""
    literals = _literals(tokens, place + 1)
    if not literals:
        return None
    sign = "=" if sign == "==" else sign
    formats = [of.value for of in operand if of.kind == "text" and "%" in of.value]
    if formats:
        return partial(_dated, sign, literals[0], formats[0])
    return partial(_compared, sign, literals[0])


def _word_draw(word: str, tokens: Sequence[Token], start: int) -> Draw | None:
    """The draw of an operator that is a word."""
    literals = _literals(tokens, start)
    ends = [token.symbol for token in tokens[start : start + 2]]
    draw: Draw | None = None
    match word:
        case "is" if ends[0] == "null":
            draw = _null
        case "is" if ends == ["not", "null"]:
            draw = partial(_negated, _null)
        case "like" if literals:
            draw = partial(_like, literals[0])
        case "glob" if literals:
            draw = partial(_like, literals[0].replace("*", "%").replace("?", "_"))
        case "in" if literals:
            draw = partial(_one_of, literals)
        case "between" if len(literals) > 1:
            draw = partial(_between, literals[0], literals[1])
    return draw


def _literals(tokens: Sequence[Token], start: int) -> list[str]:
    """The literals from a place on, between commas, `AND` and parentheses."""
    found, sign = [], ""
    for token in tokens[start:]:
        if token.kind in ("text", "number"):
            found.append(sign + token.value)
            sign = ""
        elif token.symbol == "-":
            sign = "-"
        elif token.symbol not in (",", "(", "and"):
            break
    return found


def _compared(sign: str, value: str, holds: bool, rng: Random) -> Cell:
    """A value for which `column sign value` is true, or false."""
    if sign in ("!=", "<>"):
        sign, holds = "=", not holds
    below, above = _neighbours(value, rng)
    fitting: dict[str, tuple[tuple[Cell, ...], tuple[Cell, ...]]] = {
        "=": ((value,), (below, above)),
        "<": ((below,), (value, above)),
        ">": ((above,), (value, below)),
        "<=": ((below, value), (above,)),
        ">=": ((above, value), (below,)),
    }
    return rng.choice(fitting[sign][0 if holds else 1])


def _neighbours(value: str, rng: Random) -> tuple[Cell, Cell]:
    """A smaller and a larger value in sqlite's order, where numbers sort before texts."""
    if not _NUMBER.fullmatch(value):
        return value[:-1] if value else 0, value + rng.choice(" a")
    number = float(value)
    step = max(1.0, abs(number) / 1e6)  # a step of 1 would vanish beside a large number
    below, above = (step * rng.choice((0.001, 1, 2, 3)) for _ in range(2))
    return number - below, number + above


def _dated(sign: str, value: str, format_: str, holds: bool, rng: Random) -> Cell:
    """A date for which `strftime(format, column) sign value` is true, or false."""
    days = rng.randint(400, 700)  # another year, month and, mostly, day
    places = {"=": 0, "!=": days, "<>": days, "<": -days, "<=": 0, ">": days, ">=": 0}
    others = {"=": days, "!=": 0, "<>": 0, "<": 0, "<=": days, ">": 0, ">=": -days}
    try:
        date = datetime.strptime(value, format_) + timedelta((places if holds else others)[sign])
    except (ValueError, OverflowError):  # a format of sqlite alone, such as %J, or year 10000
        return _compared(sign, value, holds, rng)
    return date.date().isoformat()


def _negated(draw: Draw, holds: bool, rng: Random) -> Cell:
    return draw(not holds, rng)


def _null(holds: bool, rng: Random) -> Cell:
    return None if holds else rng.randint(1, 999)


def _one_of(values: Sequence[str], holds: bool, rng: Random) -> Cell:
    value = rng.choice(values)
    if holds:
        return value
    numbers = {float(of) for of in values if _NUMBER.fullmatch(of)}
    beside = _neighbours(value, rng)
    return rng.choice([of for of in beside if of not in values and of not in numbers] or beside)


def _between(low: str, high: str, holds: bool, rng: Random) -> Cell:
    if holds:
        return rng.choice((low, high))
    return rng.choice((_neighbours(low, rng)[0], _neighbours(high, rng)[1]))


def _like(pattern: str, holds: bool, rng: Random) -> Cell:
    """A text that matches a pattern of LIKE; or one that is not whole, or has more around it."""
    if holds:
        some = {"%": lambda: _letters(rng, rng.randint(0, 2)), "_": lambda: _letters(rng, 1)}
        return "".join(some[letter]() if letter in some else letter for letter in pattern)
    core = re.sub("[%_]", "", pattern)
    others = [core[:-1] if core else ""]
    others += [] if pattern[:1] in ("%", "_") else [f"q{core}"]
    others += [] if pattern[-1:] in ("%", "_") else [f"{core}q"]
    return rng.choice(others)


def _letters(rng: Random, count: int) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=count))
