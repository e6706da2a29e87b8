"""The graders by name, as niches and data files name them, and how answers are read for them."""

from deployments.graders.counts import Grader
from deployments.graders.execution import sql_execution
from deployments.graders.numbers import number
from deployments.graders.queries import sql_exact
from deployments.graders.structured import entities, json_exact
from deployments.graders.text import choice, mentions, text_exact, unwrap

__all__ = ["GRADERS", "as_read"]

GRADERS: dict[str, Grader] = {
    "choice": choice,
    "entities": entities,
    "json": json_exact,
    "mentions": mentions,
    "number": number,
    "sql": sql_exact,
    "sql_execution": sql_execution,
    "text": text_exact,
}

_WRAPPED = frozenset({"sql", "sql_execution", "json", "entities"})
"""Graders of queries and JSON, which models put into talk. A word problem's or a quiz's answer is
read as it stands: there, what looks like a query is a word of a sentence."""


def as_read(answer: str, grader: str) -> str:
    """What of an answer a grader is given, whoever answered: all of it, or what talk surrounds."""
    return unwrap(answer) if grader in _WRAPPED else answer
