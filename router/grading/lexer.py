"""Splits an SQL query into tokens."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<skipped>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<name>`(?:[^`]|``)*`|\[[^\]]*\])
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?\b)
    |(?P<word>[^\W\d]\w*)
    |(?P<mark><=|>=|<>|!=|==|\|\||.)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, name in quotes, literal or mark of a query.

    Attributes:
        kind: `word`, `text`, `number`, `mark`, `quoted` for a name in double quotes, which sqlite
            takes for a text if nothing has the name, or `name` for one in other quotes.
        value: without the quotes of a name or text; a word in lower case.
        start: its place in the query.
        end: the place after it.
        depth: how many parentheses are open around it; its own do not count.
    """

    kind: str
    value: str
    start: int
    end: int
    depth: int

    @property
    def symbol(self) -> str:
        """The value of a word or mark, which is the query's own syntax; empty for others."""
        return self.value if self.kind in ("word", "mark") else ""


def tokens_of(query: str) -> list[Token]:
    """The tokens of a query, without white space and comments."""
    tokens, depth = [], 0
    for match in _TOKEN.finditer(query):
        kind = str(match.lastgroup)
        if kind == "skipped":
            continue
        value = _value(kind, match[0])
        depth -= value == ")" and kind == "mark"
        tokens.append(Token(kind, value, match.start(), match.end(), depth))
        depth += value == "(" and kind == "mark"
    return tokens


def _value(kind: str, written: str) -> str:
    if kind == "word":
        return written.lower()
    if kind in ("text", "quoted", "name"):
        quote = written[-1]
        return written[1:-1].replace(quote * 2, quote)
    return written
