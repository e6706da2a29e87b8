"""Is a JSON answer the same value, and how many of its items are right?"""

import json
from collections import Counter
from typing import Any

from router.grading.counts import Counts, Reference, passed


def json_exact(answer: str, reference: Reference) -> Counts:
    """Right if both texts are the same JSON value; an answer that is not JSON is wrong.

    Raises:
        ValueError: the reference is not JSON.
    """
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):  # a huge number or a deep nesting is no JSON error
        return passed(False)
    return passed(_same(found, json.loads(reference.answer)))


def _same(left: Any, right: Any) -> bool:
    # Python holds True equal to 1; JSON does not.
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def entities(answer: str, reference: Reference) -> Counts:
    """Items of an object of lists of strings, such as `{"chemicals": [...], "diseases": [...]}`.

    An item is its list's name and its text without regard to letter case and white space; one that
    is mentioned twice counts twice. An answer that is no such object claims nothing, and what else
    stands in one is passed over.

    Raises:
        ValueError: the reference is no object.
    """
    wanted = _items(reference.answer)
    if wanted is None:
        raise ValueError(f"the reference is no object of lists in JSON: {reference.answer!r}")
    found = _items(answer) or Counter()
    hits = (found & wanted).total()
    return Counts(hits, found.total(), wanted.total())


def _items(text: str) -> Counter[tuple[str, str]] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return Counter(
        (name, "".join(item.lower().split()))
        for name, items in value.items()
        if isinstance(items, list)
        for item in items
        if isinstance(item, str)
    )
