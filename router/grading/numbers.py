"""Grades the final number of an answer."""

import math
import re

from router.grading.counts import Counts, Reference, passed

# Half a cent, and a margin for float rounding: 0.88 must match 0.875.
_TOLERANCE = 5e-3 + 1e-6

# A minus after a word or a closing parenthesis is a subtraction or a hyphen, not a sign; a sign may
# precede the currency.
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w.)])[-\u2212][$\u20ac\u00a3]?)?"
    r"(?:(?P<whole>\d+) (?=\d+/\d))?"
    r"(?P<top>(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)"
    r"(?:/(?P<bottom>\d+))?"
)


def number(answer: str, reference: Reference) -> Counts:
    """Right if the answer's last number is the reference's, to within half a cent.

    The last number is what GSM8K's own graders take; thousands separators, simple and mixed
    fractions and powers of ten are understood.

    Raises:
        ValueError: the reference has no number.
    """
    answered, expected = last_number(answer), last_number(reference.answer)
    if expected is None:
        raise ValueError(f"the reference {reference.answer!r} has no number")
    return passed(answered is not None and abs(answered - expected) <= _TOLERANCE)


def last_number(text: str) -> float | None:
    """The last number of a text; None if there is none, or it exceeds a float."""
    matches = list(_NUMBER.finditer(text))
    if not matches:
        return None
    last = matches[-1]
    top, bottom = float(last["top"].replace(",", "")), float(last["bottom"] or 1)
    if not bottom:
        return None
    value = float(last["whole"] or 0) + top / bottom
    if not math.isfinite(value):
        return None
    return -value if last["sign"] else value
