"""Which fields of the wire types a body sets, and the same body without one of them."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from msgspec import inspect

Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """A field in a body.

    Attributes:
        name: of the field with its type's, such as `ChatRequest.seed`; of a type without fields,
            its own.
        steps: to it in the body.
        kind: its type.
        required: whether a body without it is invalid.
        inner: whether it holds fields, which are places of their own.
    """

    name: str
    steps: Steps
    kind: inspect.Type
    required: bool = False
    inner: bool = False

    @property
    def path(self) -> str:
        """As errors name it: `messages[0].role`."""
        dotted = "".join(f"[{to}]" if isinstance(to, int) else f".{to}" for to in self.steps)
        return dotted.removeprefix(".")

    @property
    def refused(self) -> bool:
        """Whether it may be null alone."""
        return isinstance(self.kind, inspect.NoneType)


def fields_of(kind: type) -> set[str]:
    """The names of all fields of a body, and of the types without fields."""
    found: dict[type, inspect.StructType] = {}
    waiting = [inspect.type_info(kind)]
    while waiting:
        for struct in _structs(waiting.pop()):
            if struct.cls not in found:
                found[struct.cls] = struct
                waiting += [field.type for field in struct.fields]
    return {name for struct in found.values() for name in _names(struct)}


def places(body: Any, kind: type) -> Iterator[Place]:
    """The fields that a body sets, and those that it could only refuse."""
    return _places(body, inspect.type_info(kind), ())


def without(body: Any, place: Place) -> Any:
    """The body without an optional field, with another value of a required one, or with a value
    where there may be none."""
    changed = deepcopy(body)
    *outer, last = place.steps
    holder = changed
    for step in outer:
        holder = holder[step]
    if place.refused:
        holder[last] = {"a": 1}
    elif place.required:
        holder[last] = _another(holder[last], place.kind)
    else:
        del holder[last]
    return changed


def _another(value: Any, kind: inspect.Type) -> Any:
    match value:
        case str() if isinstance(kind, inspect.LiteralType):
            return next(of for of in kind.values if of != value)
        case str():
            return f"{value}A"
        case dict():
            return value | {"title": "another"}
        case list():
            return value[:-1]
    return value + 1


def _places(value: Any, kind: inspect.Type, steps: Steps) -> Iterator[Place]:
    if isinstance(value, list):
        [inner] = [of.item_type for of in _options(kind) if isinstance(of, inspect.ListType)]
        for index, item in enumerate(value):
            yield from _places(item, inner, (*steps, index))
    elif isinstance(value, dict) and (struct := _struct_of(value, _structs(kind))):
        if not struct.fields:
            yield Place(struct.cls.__name__, steps, struct)
        for field, name in zip(_telling(struct), _names(struct), strict=bool(struct.fields)):
            place = Place(name, (*steps, field.encode_name), field.type, field.required)
            set_to = value.get(field.encode_name)
            inner = list(_places(set_to, field.type, place.steps))
            if set_to is not None or place.refused:  # null means absent
                yield replace(place, inner=bool(inner))
            yield from inner


def _struct_of(
    value: dict[str, Any], structs: Sequence[inspect.StructType]
) -> inspect.StructType | None:
    tagged = [of for of in structs if of.tag_field and value.get(of.tag_field) == of.tag]
    return next(iter(tagged or [of for of in structs if not of.tag_field]), None)


def _names(struct: inspect.StructType) -> list[str]:
    of = struct.cls.__name__
    return [f"{of}.{field.encode_name}" for field in _telling(struct)] if struct.fields else [of]


def _telling(struct: inspect.StructType) -> list[inspect.Field]:
    """Its fields that may have more than one value."""
    return [field for field in struct.fields if not _is_constant(field.type)]


def _is_constant(kind: inspect.Type) -> bool:
    others = [of for of in _options(kind) if not isinstance(of, inspect.NoneType)]
    return (
        len(others) == 1
        and isinstance(of := others[0], inspect.LiteralType)
        and (len(of.values) == 1)
    )


def _structs(kind: inspect.Type) -> list[inspect.StructType]:
    """The types of objects, and of the items of lists."""
    found = []
    for option in _options(kind):
        if isinstance(option, inspect.ListType):
            found += _structs(option.item_type)
        elif isinstance(option, inspect.StructType):
            found.append(option)
    return found


def _options(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _options(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [option for of in kind.types for option in _options(of)]
    return [kind]
