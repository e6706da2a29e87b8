"""What a request refers to, out of the store: the conversation before it, and single items of
answers (`item_reference`), which clients send instead of the items themselves.

Rule: what is recalled may be as long as a body, so that no request grows by referring.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from gateway.dialects.responses_output import response_of
from gateway.dialects.responses_schemas import InputItem, Item, ItemReference, ResponsesRequest
from gateway.errors import BodyTooLarge, InvalidValue, ItemNotFound, StoreError

_MOST_ANSWERS = 1000
"""To whose items a request may refer: all are read at once."""


class _Answer(msgspec.Struct):
    output: list[msgspec.Raw]


class _Named(msgspec.Struct):
    id: str


_items = msgspec.json.Decoder(list[Item]).decode
_item = msgspec.json.Decoder(Item).decode
_answer = msgspec.json.Decoder(_Answer).decode
_named = msgspec.json.Decoder(_Named).decode


def refers(asked: ResponsesRequest) -> bool:
    """Whether a request refers to anything that is stored."""
    return asked.previous_response_id is not None or bool(referred(asked))


def referred(asked: ResponsesRequest) -> set[str]:
    """The responses to whose items a request refers.

    Raises:
        InvalidValue: there are too many.
    """
    names = {response_of(reference.id) for _, reference in _references(asked.input)}
    if len(names) > _MOST_ANSWERS:
        raise InvalidValue(
            f"input: refers to items of {len(names):,} answers, at most {_MOST_ANSWERS:,}; send "
            "the items themselves.",
            "input",
        )
    return names


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the store has of it, as JSON.

    Attributes:
        conversation: the items before the request.
        answers: those to whose items it refers, by their ids.
        limit_bytes: of either.
    """

    conversation: bytes
    answers: Mapping[str, bytes]
    limit_bytes: int

    def earlier(self) -> list[Item]:
        """The conversation before the request.

        Raises:
            BodyTooLarge: it is too long.
            StoreError: it cannot be read.
        """
        if len(self.conversation) > self.limit_bytes:
            raise BodyTooLarge(
                f"The conversation exceeds {self.limit_bytes} bytes.", "previous_response_id"
            )
        try:
            return _items(self.conversation)
        except msgspec.MsgspecError as error:
            raise StoreError(f"a stored conversation cannot be read: {error}") from error

    def resolved(self, asked: ResponsesRequest) -> ResponsesRequest:
        """The request with the items themselves instead of the references to them.

        Raises:
            ItemNotFound: one is unknown, another caller's or forgotten.
            BodyTooLarge: together they are too long.
            StoreError: an answer cannot be read.
        """
        if isinstance(asked.input, str):
            return asked
        try:
            return replace(asked, input=self._with_items(asked.input))
        except msgspec.MsgspecError as error:
            raise StoreError(f"a stored answer cannot be read: {error}") from error

    def _outputs(self) -> Iterator[tuple[str, msgspec.Raw]]:
        """The items of the answers, by their ids."""
        for data in self.answers.values():
            for item in _answer(data).output:
                yield _named(item).id, item

    def _with_items(self, given: Sequence[InputItem]) -> list[InputItem]:
        known, items, taken = dict(self._outputs()), list(given), 0
        for index, reference in _references(given):
            found = known.get(reference.id)
            if found is None:
                place = f"input[{index}].id"
                raise ItemNotFound(
                    f"{place}: no item {reference.id[:80]!r} is stored; send the item itself.",
                    place,
                )
            taken += len(bytes(found))
            if taken > self.limit_bytes:
                raise BodyTooLarge(f"The items exceed {self.limit_bytes} bytes.", "input")
            items[index] = _item(found)
        return items


def _references(given: str | Sequence[InputItem]) -> Iterator[tuple[int, ItemReference]]:
    """The references among a request's items, with their indices."""
    for index, item in enumerate(() if isinstance(given, str) else given):
        if isinstance(item, ItemReference):
            yield index, item
