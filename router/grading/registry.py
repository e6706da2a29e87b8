"""The graders by name, and the extraction of what they read from an answer."""

from router.grading.calls import call_arguments, call_exact
from router.grading.counts import Grader
from router.grading.execution import sql_execution
from router.grading.numbers import number
from router.grading.queries import sql_exact
from router.grading.structured import entities, json_exact
from router.grading.text import choice, json_in, mentions, query_in, text_exact

GRADERS: dict[str, Grader] = {
    "arguments": call_arguments,
    "calls": call_exact,
    "choice": choice,
    "entities": entities,
    "json": json_exact,
    "mentions": mentions,
    "number": number,
    "sql": sql_exact,
    "sql_execution": sql_execution,
    "text": text_exact,
}

_QUERIES = frozenset({"sql", "sql_execution"})
_JSON = frozenset({"json", "entities"})


def as_read(answer: str, grader: str, right: str) -> str:
    """The part of an answer that a grader reads: models put queries and JSON into other text.

    Other graders read the whole answer, since there a word like SELECT is not a query.

    Args:
        answer: the model's answer.
        grader: a key of `GRADERS`.
        right: the right answer; if it is a JSON list, the part is a list, else an object.
    """
    if grader in _QUERIES:
        return query_in(answer)
    if grader in _JSON:
        return json_in(answer, "[" if right.lstrip().startswith("[") else "{")
    return answer
