"""Is a plain text the same, which option does an answer choose, and what of it is talk?"""

import re

from router.grading.counts import Counts, Reference, passed

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
_CLOSING = {"{": "}", "[": "]"}
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


def query_in(answer: str) -> str:
    """A query without what a talkative model puts around it; without a query, the whole text.

    That is, in the first fenced block or else in all of it, the first statement from its `SELECT`
    to its end.
    """
    text = _fenced(answer)
    found = next(filter(None, (pattern.search(text) for pattern in _QUERIES)), None)
    return (text if found is None else found[1]).strip()


def json_in(answer: str, opening: str) -> str:
    """An object or a list in JSON without what is around it; without one, the whole text.

    Args:
        answer: what was said.
        opening: `{` takes the first object, `[` the first list.
    """
    # What begins with it has no fence around it, though one may stand in a string of it.
    text = answer if answer.lstrip().startswith(opening) else _fenced(answer)
    return (_bracketed(text, opening) or text).strip()


def _fenced(answer: str) -> str:
    found = _FENCE.search(answer)
    return found[1] if found else answer


def _bracketed(text: str, opening: str) -> str | None:
    closing = _CLOSING[opening]
    start, depth, quoted, escaped = text.find(opening), 0, False, False
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
            depth += (letter == opening) - (letter == closing)
            if depth == 0:
                return text[start : place + 1]
    return None
