"""Is a plain text the same, and which option does an answer choose?"""

import re

from deployments.graders.counts import Counts, Reference, passed

__all__ = ["choice", "text_exact", "unwrap"]

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_LETTER = re.compile(r"\b([A-J])\b")


def text_exact(answer: str, reference: Reference) -> Counts:
    """Right if both texts have the same words, without regard to letter case and white space."""
    return passed(answer.lower().split() == reference.answer.lower().split())


def choice(answer: str, reference: Reference) -> Counts:
    """Right if the first capital letter that stands alone is the reference's option."""
    found = _LETTER.search(answer)
    return passed(found is not None and found[1] == reference.answer.strip())


def unwrap(answer: str) -> str:
    """An answer without what a talkative model puts around it.

    That is the text of the first fenced block; without one, the text from the first `SELECT` to
    the end of its statement, or the first JSON object; without these, the whole text. Comparisons
    unwrap every model's answers alike, so that a generalist is graded for what it says and not
    for how it says it.
    """
    fenced = _FENCE.search(answer)
    text = fenced[1] if fenced else answer
    return (_statement(text) or _object(text) or text).strip()


def _statement(text: str) -> str | None:
    found = re.search(r"\bselect\b.*?(?:;|\n\s*\n|\Z)", text, re.IGNORECASE | re.DOTALL)
    return found[0] if found and not text.lstrip().startswith("{") else None


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
