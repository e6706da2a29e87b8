"""Grades plain texts and options, and extracts a query or JSON from the text around it."""

import json
import re

from router.grading.counts import Counts, Reference, passed

_FENCE = re.compile(r"```(?:[\w+-]*[ \t]*\n)?(.*?)(?:```|\Z)", re.DOTALL)
# Up to a semicolon or an empty line outside quotes.
_STATEMENT = (
    r"((?:\bWITH\s+\w+\s+AS\s*\(\s*)?\bSELECT\b"
    r"(?:'(?:[^']|'')*'|\"[^\"]*\"|(?!\n\s*\n)[^;])*;?)"
)
_QUERIES = (
    re.compile(r"`(\s*SELECT\b[^`]*)`", re.IGNORECASE),
    re.compile(_STATEMENT),  # in capitals it is a statement, not a word
    re.compile(_STATEMENT, re.IGNORECASE),
)
_CLOSING = {"{": "}", "[": "]"}
_WORD = re.compile(r"\w+")
# `A` before a word is an article unless it is named as the answer, and `I` a pronoun.
_LETTER = re.compile(
    r"\b(?i:answer)(?:\s+is\b|\s*:)[^\w\n]*(A)\b(?!['\u2019])"
    r"|\b([B-HJ]\b|[AI]\b(?!['\u2019]|[ \t]+(?!(?:is|or|and|because|since)\b)[a-z]))"
)


def text_exact(answer: str, reference: Reference) -> Counts:
    """Right if both texts have the same words, ignoring letter case and white space."""
    return passed(answer.lower().split() == reference.answer.lower().split())


def choice(answer: str, reference: Reference) -> Counts:
    """Right if the first single capital letter is the reference's option.

    The article `A` and the pronoun `I` do not count; `A is right` and `the answer is A` do.
    """
    match = _LETTER.search(answer)
    return passed(match is not None and (match[1] or match[2]) == reference.answer.strip())


def mentions(answer: str, reference: Reference) -> Counts:
    """Right if the answer's first non-empty line contains the reference's words in sequence,
    ignoring letter case and punctuation.

    Raises:
        ValueError: the reference has no word to mention.
    """
    expected = _words(reference.answer)
    if not expected:
        raise ValueError(f"the reference {reference.answer!r} has no word")
    line = next((line for line in answer.splitlines() if line.strip()), "")
    return passed(f" {expected} " in f" {_words(line)} ")


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def query_in(answer: str) -> str:
    """The query in an answer, without the text around it; the whole text if there is no query.

    The query is the first statement, from its `SELECT` to its end, in the first fenced block or, if
    there is none, in the whole text.
    """
    text = _fenced(answer)
    match = next(filter(None, (pattern.search(text) for pattern in _QUERIES)), None)
    return (text if match is None else match[1]).strip()


def json_in(answer: str, opening: str) -> str:
    """The JSON in an answer: the whole text or its first fenced block if that is JSON, else the
    first object or list in it; the whole text if there is none.

    Args:
        answer: the model's answer.
        opening: `{` takes the first object, `[` the first list.
    """
    # If the text begins with it, a fence can only be inside one of its strings.
    block = answer if answer.lstrip().startswith(opening) else _fenced(answer)
    whole = next(filter(_is_json, (answer, block)), None)
    return (whole or _bracketed(block, opening) or block).strip()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):  # not JSON, a huge number, or deep nesting
        return False
    return True


def _fenced(answer: str) -> str:
    match = _FENCE.search(answer)
    return match[1] if match else answer


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
