"""Grades an SQL query by its text, normalised."""

import re

from router.grading.counts import Counts, Reference, passed

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\w.]+|<=|>=|<>|!=|[^\s\w]")
# With one of these in or after the conditions, their order may matter.
_ORDERED = frozenset(
    [
        "(",
        ")",
        ";",
        "or",
        "between",
        "case",
        "where",
        "group",
        "order",
        "limit",
        "having",
        "union",
        "intersect",
        "except",
    ]
)


def sql_exact(answer: str, reference: Reference) -> Counts:
    """Right if the queries are the same up to white space, letter case, a closing semicolon, and
    the order of conditions that are only joined by AND.

    Quoted parts ignore case too, since WikiSQL's questions and cells differ in it.
    """
    return passed(_normal(answer) == _normal(reference.answer))


def _normal(query: str) -> list[str]:
    tokens = [token.lower() for token in _TOKEN.findall(query.strip().rstrip(";"))]
    if "where" not in tokens:
        return tokens
    start = tokens.index("where") + 1
    conditions = tokens[start:]
    if _ORDERED & {*conditions}:
        return tokens
    parts: list[list[str]] = [[]]
    for token in conditions:
        if token == "and":
            parts.append([])
        else:
            parts[-1].append(token)
    return [*tokens[:start], *(token for part in sorted(parts) for token in ("and", *part))]
