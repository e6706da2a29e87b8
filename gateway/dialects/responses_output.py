"""The items of an answer of `POST /v1/responses` while they grow, and the events that tell it.

Rules: an item begins with the first that is said of it and has one part. A text ends when something
else begins; the calls of functions, whose pieces may alternate, end with the answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import UNSET

from gateway.dialects.responses_schemas import (
    OutputCall,
    OutputItem,
    OutputMessage,
    OutputReasoning,
    OutputText,
    ReasoningText,
    Refusal,
    Status,
)
from gateway.dialects.said import Call, Said

Logprobs = list[dict[str, Any]]


class Emit(Protocol):
    """Sends an event of some type, with its fields."""

    def __call__(self, kind: str, /, **fields: Any) -> None:
        """Sends it."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of text: the words for it, its part of an item, and the item."""

    prefix: str
    event: str
    key: str
    part: Callable[[str, Logprobs], OutputText | Refusal | ReasoningText]
    item: Callable[..., OutputItem]


_THOUGHTS = _Kind(
    "rs", "reasoning_text", "text", lambda text, _: ReasoningText(text), OutputReasoning
)
_TEXT = _Kind(
    "msg",
    "output_text",
    "text",
    lambda text, logprobs: OutputText(text, logprobs=logprobs),
    OutputMessage,
)
_REFUSAL = _Kind("msg", "refusal", "refusal", lambda text, _: Refusal(text), OutputMessage)


def response_of(item_id: str) -> str:
    """The id of the answer to which an item belongs, which is in the item's own."""
    return f"resp_{item_id.partition('_')[2].rpartition('_')[0]}"


class Output:
    """The items of one answer.

    Args:
        name: sets their ids apart from those of other answers.
        emit: gets an event for every change.
        namespaces: of the functions that belong to one, by their names.
    """

    def __init__(self, name: str, emit: Emit, namespaces: Mapping[str, str]) -> None:
        self._name, self._emit, self._namespaces = name, emit, namespaces
        self._items: list[_TextItem | _CallItem] = []
        self._calls: dict[int, _CallItem] = {}
        self._text: _TextItem | None = None

    def add(self, said: Said, logprobs: Logprobs) -> None:
        """Adds what the model said next."""
        if thoughts := said.thoughts:
            self._write(_THOUGHTS, thoughts, [])
        if words := said.words:
            self._write(_TEXT, words, [_as_written(token) for token in logprobs])
        if refused := said.refused:
            self._write(_REFUSAL, refused, [])
        for position, call in enumerate(said.calls):
            self._call(position if call.index is None else call.index, call)

    def end(self, status: Status) -> None:
        """Ends all items: the last one with the status of the answer. One that says nothing has an
        empty message."""
        if not self._items:
            self._write(_TEXT, "", [])
        last = self._items[-1]
        for item in self._items:
            item.end(status if item is last else "completed")

    def items(self) -> list[OutputItem]:
        """The items so far; what has not ended is incomplete."""
        return [item.item(item.status or "incomplete") for item in self._items]

    def _write(self, kind: _Kind, text: str, logprobs: Logprobs) -> None:
        if self._text is None or self._text.kind is not kind:
            self._end_text()
            self._text = _TextItem(kind, self._name, len(self._items), self._emit)
            self._items.append(self._text)
        self._text.write(text, logprobs)

    def _call(self, index: int, piece: Call) -> None:
        self._end_text()
        call = self._calls.get(index)
        if call is None:
            place = len(self._items)
            call = _CallItem(piece, self._name, place, self._emit, self._namespaces)
            self._calls[index] = call
            self._items.append(call)
        if piece.called.arguments:
            call.write(piece.called.arguments)

    def _end_text(self) -> None:
        if self._text is not None:
            self._text.end("completed")
            self._text = None


class _TextItem:
    """A message, or thoughts."""

    def __init__(self, kind: _Kind, name: str, index: int, emit: Emit) -> None:
        self.kind = kind
        self.status: Status | None = None
        self._id, self._index, self._emit = f"{kind.prefix}_{name}_{index}", index, emit
        self._at = {"item_id": self._id, "output_index": index, "content_index": 0}
        self._pieces: list[str] = []
        self._logprobs: Logprobs = []
        begun = kind.item(id=self._id, status="in_progress", content=[])
        emit("response.output_item.added", output_index=index, item=begun)
        emit("response.content_part.added", **self._at, part=kind.part("", []))

    def write(self, text: str, logprobs: Logprobs) -> None:
        """Adds a piece."""
        self._pieces.append(text)
        self._logprobs += logprobs
        more = {"logprobs": logprobs} if self.kind is _TEXT else {}
        self._emit(f"response.{self.kind.event}.delta", **self._at, delta=text, **more)

    def end(self, status: Status) -> None:
        """Ends it, if it has not ended."""
        if self.status is not None:
            return
        self.status = status
        more = {"logprobs": self._logprobs} if self.kind is _TEXT else {}
        text = {self.kind.key: "".join(self._pieces)}
        self._emit(f"response.{self.kind.event}.done", **self._at, **text, **more)
        self._emit("response.content_part.done", **self._at, part=self._part())
        self._emit("response.output_item.done", output_index=self._index, item=self.item(status))

    def item(self, status: Status) -> OutputItem:
        """The item as it is."""
        return self.kind.item(id=self._id, status=status, content=[self._part()])

    def _part(self) -> OutputText | Refusal | ReasoningText:
        return self.kind.part("".join(self._pieces), self._logprobs)


class _CallItem:
    """A call of a function; its first piece has the id and the name."""

    def __init__(
        self, first: Call, name: str, index: int, emit: Emit, namespaces: Mapping[str, str]
    ) -> None:
        self.status: Status | None = None
        self._call_id, self._function = first.id or "", first.called.name or ""
        self._id, self._index, self._emit = f"fc_{name}_{index}", index, emit
        self._at = {"item_id": self._id, "output_index": index}
        self._pieces: list[str] = []
        self._namespaces = namespaces
        begun = self.item("in_progress")
        emit("response.output_item.added", output_index=index, item=begun)

    def write(self, arguments: str) -> None:
        """Adds a piece of the arguments."""
        self._pieces.append(arguments)
        self._emit("response.function_call_arguments.delta", **self._at, delta=arguments)

    def end(self, status: Status) -> None:
        """Ends it."""
        self.status = status
        arguments, kind = "".join(self._pieces), "response.function_call_arguments.done"
        self._emit(kind, **self._at, name=self._function, arguments=arguments)
        self._emit("response.output_item.done", output_index=self._index, item=self.item(status))

    def item(self, status: Status) -> OutputItem:
        """The item as it is."""
        return OutputCall(
            id=self._id,
            status=status,
            call_id=self._call_id,
            name=self._function,
            arguments="".join(self._pieces),
            namespace=self._namespaces.get(self._function, UNSET),
        )


def _as_written(token: dict[str, Any]) -> dict[str, Any]:
    """A token's log-probability; in this dialect its bytes are a list, also where a chat has
    null."""
    others = [_as_written(other) for other in token.get("top_logprobs") or ()]
    return token | {"bytes": token.get("bytes") or [], "top_logprobs": others}
