"""Graders: is an answer right? Pure functions of two strings, for recipes and comparisons alike."""

import json
import re
from collections.abc import Callable

__all__ = ["GRADERS", "Grader", "json_equal", "sql_equal"]

Grader = Callable[[str, str], bool]

_SQL_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[\w.]+|<=|>=|<>|!=|[^\s\w]")


def _sql_tokens(query: str) -> list[str]:
    tokens = _SQL_TOKEN.findall(query.strip().rstrip(";"))
    # Quoted parts compare without regard to case: WikiSQL's questions and cells disagree on it.
    return [token.lower() for token in tokens]


def sql_equal(answer: str, expected: str) -> bool:
    """Whether two queries are the same up to white space, letter case and a closing semicolon."""
    return _sql_tokens(answer) == _sql_tokens(expected)


def json_equal(answer: str, expected: str) -> bool:
    """Whether two texts are the same JSON value; an answer that is not JSON is wrong."""
    try:
        return bool(json.loads(answer) == json.loads(expected))
    except (ValueError, RecursionError):  # a huge number or a deep nesting is no JSON error
        return False


GRADERS: dict[str, Grader] = {"sql": sql_equal, "json": json_equal}
