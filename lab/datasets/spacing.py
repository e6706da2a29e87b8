"""Restores normal spacing in text that was split into tokens."""

import re

_RULES = (
    (re.compile(r"\s+"), " "),
    # don ' t, Parkinson ' s, John 's
    (re.compile(r"(\w) ?' ?(s|t|re|ve|ll|d|m)\b"), r"\1'\2"),
    (re.compile(r" (n't)\b"), r"\1"),
    # dose - related, 10 / day; not "a - b" of a sum: words on both sides, or a number before a word
    (re.compile(r"(?<=\w) ([-/]) (?=\w)"), r"\1"),
    (re.compile(r" ([.,;:?!%)\]])"), r"\1"),
    (re.compile(r"([(\[$]) "), r"\1"),
    # 0 . 5, 1, 000: a number was split at its point
    (re.compile(r"(?<=\d)([.,]) (?=\d)"), r"\1"),
)


def joined(text: str) -> str:
    """The text without the spaces that a tokenizer put around marks.

    Quotation marks stay as they are, since an opening mark looks like a closing one.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.strip()
