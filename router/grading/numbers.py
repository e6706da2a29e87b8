"""Is the number right that an answer comes to?"""

import math
import re

from router.grading.counts import Counts, Reference, passed

# Half a cent, and room for its rounding: 0.88 stands for 0.875, and their floats are farther apart.
_TOLERANCE = 5e-3 + 1e-6

# A minus right after a word or a closing parenthesis subtracts, or joins words; before a sum of
# money it may stand before the currency.
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
    found, wanted = last_number(answer), last_number(reference.answer)
    if wanted is None:
        raise ValueError(f"the reference {reference.answer!r} has no number")
    return passed(found is not None and abs(found - wanted) <= _TOLERANCE)


def last_number(text: str) -> float | None:
    """The last number of a text; None if there is none, or only one that no float can hold."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    last = found[-1]
    top, bottom = float(last["top"].replace(",", "")), float(last["bottom"] or 1)
    if not bottom:
        return None
    value = float(last["whole"] or 0) + top / bottom
    if not math.isfinite(value):
        return None
    return -value if last["sign"] else value
