"""Is a plain text the same, and which option does an answer choose?"""

import re

from deployments.graders.counts import Counts, Reference, passed

__all__ = ["choice", "mentions", "text_exact", "unwrap"]

_FENCE = re.compile(r"```(?:[\w+-]*[ \t]*\n)?(.*?)(?:```|\Z)", re.DOTALL)
# To a semicolon or an empty line, neither of them in quotes.
_STATEMENT = (
    r"((?:\bWITH\s+\w+\s+AS\s*\(\s*)?\bSELECT\b"
    r"(?:'(?:[^']|'')*'|\"[^\"]*\"|(?!\n\s*\n)[^;])*;?)"
)
_QUERIES = (
    re.compile(r"`(\s*SELECT\b[^`]*)`", re.IGNORECASE),
    re.compile(_STATEMENT),  # who shouts means the statement, not the word
    re.compile(_STATEMENT, re.IGNORECASE),
)
_WORD = re.compile(r"\w+")
# `A` before a word is an article, and `I` a pronoun.
_LETTER = re.compile(r"\b([B-HJ]\b|[AI]\b(?!['\u2019]|[ \t]+(?!(?:is|or|and)\b)[a-z]))")


def text_exact(answer: str, reference: Reference) -> Counts:
    """Right if both texts have the same words, without regard to letter case and white space."""
    return passed(answer.lower().split() == reference.answer.lower().split())


def choice(answer: str, reference: Reference) -> Counts:
    """Right if the first capital letter that stands alone is the reference's option.

    The article `A` and the pronoun `I` are none; `A is right` is one.
    """
    found = _LETTER.search(answer)
    return passed(found is not None and found[1] == reference.answer.strip())


def mentions(answer: str, reference: Reference) -> Counts:
    """Right if the answer's first line that is not empty has the reference's words, one after the
    other, without regard to letter case and marks.

    Raises:
        ValueError: the reference has no word to mention.
    """
    wanted = _words(reference.answer)
    if not wanted:
        raise ValueError(f"the reference {reference.answer!r} has no word")
    line = next((line for line in answer.splitlines() if line.strip()), "")
    return passed(f" {wanted} " in f" {_words(line)} ")


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def unwrap(answer: str) -> str:
    """An answer without what a talkative model puts around it.

    That is the text of the first fenced block; within it, or without one, the first query or the
    first JSON object, whichever begins first: a query from its `SELECT` to the end of its
    statement. Without these it is the whole text. Comparisons unwrap every model's answers alike,
    so that a generalist is graded for what it says and not for how it says it.
    """
    fenced = _FENCE.search(answer)
    text = fenced[1] if fenced else answer
    return (_query(text) or _object(text) or text).strip()


def _query(text: str) -> str | None:
    """The first query, unless an object begins before it."""
    found = next(filter(None, (pattern.search(text) for pattern in _QUERIES)), None)
    if found is None or "{" in text[: found.start()]:
        return None
    return found[1]


def _object(text: str) -> str | None:
    start, depth, quoted, escaped = text.find("{"), 0, False, False
    if start < 0:
        return None
    for place, letter in enumerate(text[start:], start):
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif not quoted:
            depth += (letter == "{") - (letter == "}")
            if depth == 0:
                return text[start : place + 1]
    return None
