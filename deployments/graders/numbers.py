"""Is the number right that an answer comes to?"""

import math
import re

from deployments.graders.counts import Counts, Reference, passed

__all__ = ["last_number", "number"]

# Half a cent, and room for its rounding: 0.88 stands for 0.875, and their floats are farther apart.
_TOLERANCE = 5e-3 + 1e-6

# A minus right after a word or a closing parenthesis subtracts, or joins words; before a sum of
# money it may stand before the currency.
_NUMBER = re.compile(
    r"(?:(?<![\w.)])[-\u2212][$\u20ac\u00a3]?)?"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?|\.\d+)"
)
_UNREAD = re.compile(r"[,$\u20ac\u00a3]")


def number(answer: str, reference: Reference) -> Counts:
    """Right if the answer's last number is the reference's, to within half a cent.

    The last number is what GSM8K's own graders take; thousands separators and simple fractions are
    understood.

    Raises:
        ValueError: the reference has no number.
    """
    found, wanted = last_number(answer), last_number(reference.answer)
    if wanted is None:
        raise ValueError(f"the reference {reference.answer!r} has no number")
    return passed(found is not None and abs(found - wanted) <= _TOLERANCE)


def last_number(text: str) -> float | None:
    """The last number of a text; None if there is none, or only one that no float can hold."""
    found = _NUMBER.findall(text)
    if not found:
        return None
    top, _, bottom = _UNREAD.sub("", found[-1]).replace("\u2212", "-").partition("/")
    try:
        value = float(top) / float(bottom) if bottom else float(top)
    except (ZeroDivisionError, OverflowError):
        return None
    return value if math.isfinite(value) else None
