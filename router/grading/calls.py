"""Grades calls of functions as models write them: as JSON between tags."""

import json
import re
from collections import Counter
from typing import Any

from router.grading.counts import Counts, Reference, passed

_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)

_Item = tuple[str, ...]


def call_exact(answer: str, reference: Reference) -> Counts:
    """Right if both texts call the same functions with the same arguments, or both call none.

    Texts in arguments are compared without letter case and white space at their ends, numbers by
    their value. What is said beside the calls does not count.

    Raises:
        ValueError: a call of the reference is not JSON.
    """
    return passed(_calls(answer) == _expected(reference))


def call_arguments(answer: str, reference: Reference) -> Counts:
    """Items of calls: the name of a function is one, and so is each of its arguments.

    Raises:
        ValueError: a call of the reference is not JSON.
    """
    expected, answered = _items(_expected(reference)), _items(_calls(answer))
    return Counts((answered & expected).total(), answered.total(), expected.total())


def _expected(reference: Reference) -> list[Any]:
    found = _calls(reference.answer)
    if None in found:
        raise ValueError(f"the reference has a call that is not JSON: {reference.answer!r}")
    return found


def _calls(text: str) -> list[Any]:
    """Name and arguments of each call; None for one that is no call."""
    return [_call(found) for found in _CALL.findall(text)]


def _call(text: str) -> tuple[str, dict[str, str]] | None:
    try:
        called = json.loads(text)
        arguments = called["arguments"].items()
        return str(called["name"]), {name: _comparable(value) for name, value in arguments}
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None


def _comparable(value: Any) -> str:
    return json.dumps(_folded(value), sort_keys=True)


def _folded(value: Any) -> Any:
    match value:
        case str():
            return value.casefold().strip()
        case float() if value.is_integer():  # 1.0 is 1, and -0.0 is 0
            return int(value)
        case list():
            return [_folded(item) for item in value]
        case dict():
            return {key: _folded(item) for key, item in value.items()}
    return value


def _items(calls: list[Any]) -> Counter[_Item]:
    found: Counter[_Item] = Counter()
    for call in calls:
        if call is None:
            found["",] += 1
            continue
        name, arguments = call
        found[name,] += 1
        found.update((name, argument, value) for argument, value in arguments.items())
    return found
