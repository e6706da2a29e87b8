"""Answers without prose, and how a model reads those of others in its own history.

Specialists answer in a form: JSON, a query, an equation, a label. A generalist takes such answers
in a conversation for its own, and goes on in their form whatever it is asked. So they are
introduced to it, as an assistant would that hands over a result
(`lab.benchmarks.imitation` measures what that does).
"""

import json
import re

_QUERY = re.compile(r"(?:SELECT|WITH|INSERT INTO|UPDATE|DELETE FROM)\s")
_BLOCK = re.compile(r"```[^`]*```")
_EQUATION = re.compile(r"[\d\s().,+*/x-]*=[\d\s().,+*/x=-]*")
_LABEL = re.compile(r"\S{0,99}[^\s.!?]")
"""A single word. With a full stop it is a sentence."""
_FORMS = (_BLOCK, _EQUATION, _LABEL)

_WORDS = (
    "Sure. The result of your request is {}, and I can explain it if you like.",
    "For this one I found {}. Let me know whether it helps.",
    "Here you are: {}. What else can I do for you?",
)
"""In turn: words that come twice are a form too."""


def is_bare(answer: str) -> bool:
    """Whether an answer is JSON, a query, an equation or a label, and nothing else."""
    text = answer.strip()
    if text[:1] in ("{", "["):
        return _is_json(text)
    if _QUERY.match(text):
        return "\n\n" not in text  # an explanation
    return any(form.fullmatch(text) for form in _FORMS)


def introduced(answer: str, at: int) -> str:
    """A bare answer, with words around it.

    Args:
        answer: the answer.
        at: its place among the messages; the next answer of a conversation has other words.
    """
    return _WORDS[at // 2 % len(_WORDS)].format(answer)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
