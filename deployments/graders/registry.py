"""The graders by name, as niches and data files name them."""

from deployments.graders.counts import Grader
from deployments.graders.execution import sql_execution
from deployments.graders.numbers import number
from deployments.graders.queries import sql_exact
from deployments.graders.structured import entities, json_exact
from deployments.graders.text import choice, mentions, text_exact

__all__ = ["GRADERS"]

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
