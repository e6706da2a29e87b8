"""The graders by name, as niches and data files name them, and how answers are read for them."""

from router.grading.counts import Grader
from router.grading.execution import sql_execution
from router.grading.numbers import number
from router.grading.queries import sql_exact
from router.grading.structured import entities, json_exact
from router.grading.text import choice, json_in, mentions, query_in, text_exact

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

_QUERIES = frozenset({"sql", "sql_execution"})
_JSON = frozenset({"json", "entities"})


def as_read(answer: str, grader: str, right: str) -> str:
    """What of an answer a grader is given, whoever answered: models put queries and JSON into talk.

    A word problem's or a quiz's answer is read as it stands: there, what looks like a query is a
    word of a sentence.

    Args:
        answer: what was said.
        grader: a key of `GRADERS`.
        right: the right answer; where it is a list in JSON, a list is looked for, else an object.
    """
    if grader in _QUERIES:
        return query_in(answer)
    if grader in _JSON:
        return json_in(answer, "[" if right.lstrip().startswith("[") else "{")
    return answer
