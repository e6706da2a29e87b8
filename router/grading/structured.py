"""Grades JSON answers: by equality, or by the number of right items."""

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
        answered = json.loads(answer)
    except (ValueError, RecursionError):  # not JSON, a huge number, or deep nesting
        return passed(False)
    return passed(_same(answered, json.loads(reference.answer)))


def _same(left: Any, right: Any) -> bool:
    # In Python True == 1; in JSON they differ.
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def entities(answer: str, reference: Reference) -> Counts:
    """Items of an object of lists of strings, such as `{"chemicals": [...], "diseases": [...]}`.

    An item is its list's name and its text, ignoring letter case and white space; an item that
    occurs twice counts twice. An answer that is not such an object has no items, and other values
    in it are ignored.

    Raises:
        ValueError: the reference is not such an object.
    """
    expected = _items(reference.answer)
    if expected is None:
        raise ValueError(f"the reference is no object of lists in JSON: {reference.answer!r}")
    answered = _items(answer) or Counter()
    hits = (answered & expected).total()
    return Counts(hits, answered.total(), expected.total())


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
