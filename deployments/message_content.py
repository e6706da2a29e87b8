"""The content of a message in an answer: a text, or a list of parts, thoughts among them."""

from collections.abc import Iterable, Iterator
from typing import Any


def words_in(content: Any) -> str:
    """What is said in a content, without its thoughts; nothing in what is no content."""
    if isinstance(content, str):
        return content
    return "".join(_texts(content)) if isinstance(content, list) else ""


def thoughts_in(content: Any) -> str:
    """The thoughts in a content."""
    parts = content if isinstance(content, list) else ()
    return "".join(words_in(part["thinking"]) for part in parts if _is_thought(part))


def is_read(content: list[Any]) -> bool:
    """Whether all parts of a content are words or thoughts."""
    return all(_is_thought(part) or _text(part) is not None for part in content)


def _texts(parts: Iterable[Any]) -> Iterator[str]:
    return (text for part in parts if (text := _text(part)) is not None)


def _text(part: Any) -> str | None:
    text = part.get("text") if isinstance(part, dict) else part
    return text if isinstance(text, str) else None


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("thinking"), str | list)
