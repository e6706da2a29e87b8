"""The functions: about a hundred with JSON schemas, each for the utterances of some intents.

They are listed in `functions.jsonl`, ordered by what they are about. A third of them is held out:
none of their utterances is trained on, so that a specialist can be graded on functions that it has
never seen.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("functions.jsonl")
_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve"),
)


@dataclass(frozen=True)
class Parameter:
    """A parameter: the slot of an utterance that it takes, its JSON type, and its allowed values
    (none: any)."""

    slot: str
    type: str = "string"
    enum: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        if self.type == "array":
            return {"type": "array", "items": {"type": "string"}}
        return {"type": self.type} | ({"enum": [*self.enum]} if self.enum else {})

    def value(self, said: Sequence[str]) -> Any:
        """The argument for what was said; None: it cannot be one."""
        if self.type == "array":
            return [*said]
        if len(said) != 1:
            return None
        (word,) = said
        if self.type == "integer":
            return _integer(word)
        if self.enum:
            return next((value for value in self.enum if value.lower() == word.lower()), None)
        return word


@dataclass(frozen=True)
class Function:
    """A function.

    Attributes:
        name: its name.
        description: a sentence.
        intents: those whose utterances call it.
        parameters: by name, in the order of the schema, which is that of the arguments.
        required: names of parameters that every call has; utterances without one are left out.
        ignored: slots that say no more than its name.
        like: functions of the same kind are so much alike that an utterance may be for either.
        held_out: whether it is never trained on.
    """

    name: str
    description: str
    intents: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    required: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    like: str = ""
    held_out: bool = False

    @property
    def tool(self) -> dict[str, Any]:
        """The function as OpenAI's `tools` describe one."""
        parameters: dict[str, Any] = {
            "type": "object",
            "properties": {name: of.schema for name, of in self.parameters.items()},
        }
        if self.required:
            parameters["required"] = [*self.required]
        described = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": described}

    def arguments(self, slots: Sequence[tuple[str, str]]) -> dict[str, Any] | None:
        """The arguments for an utterance's slots; None: they are none of this function.

        Args:
            slots: names and values, as they were said.
        """
        said: dict[str, list[str]] = {}
        for name, value in slots:
            if name not in self.ignored:
                said.setdefault(name, []).append(value)
        given = {
            name: of.value(said.pop(of.slot))
            for name, of in self.parameters.items()
            if of.slot in said
        }
        lacking = any(name not in given for name in self.required)
        return None if said or lacking or None in given.values() else given

    def spelled(self, spelling: Callable[[str], str]) -> "Function":
        """The same function with other names."""
        parameters = {spelling(name): of for name, of in self.parameters.items()}
        required = tuple(map(spelling, self.required))
        name = spelling(self.name)
        return replace(self, name=name, parameters=parameters, required=required)

    def resembles(self, other: "Function") -> bool:
        """Whether an utterance for one may be for the other."""
        return self.name == other.name or (self.like != "" and self.like == other.like)


def _integer(word: str) -> int | None:
    if word.isascii() and word.isdigit():
        return int(word)
    return _NUMBERS.index(word.lower()) if word.lower() in _NUMBERS else None


@cache
def functions() -> tuple[Function, ...]:
    """All functions, in the order of the file."""
    return tuple(map(_function, _FILE.read_text(encoding="utf-8").splitlines()))


def _function(line: str) -> Function:
    fields = json.loads(line)
    parameters = {
        name: Parameter(
            slot=written.get("slot", name),
            type=written.get("type", "string"),
            enum=tuple(written.get("enum", ())),
        )
        for name, written in fields.pop("parameters").items()
    }
    lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return Function(**fields | lists, parameters=parameters)
