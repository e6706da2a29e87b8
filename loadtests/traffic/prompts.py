"""Prompts drawn at random from templates, one file per domain, so that few repeat.

domain: tools
max_tokens: 64
templates: ["play {song} by {artist}"]
slots: {song: [...], artist: [...]}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from string import Formatter

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from loadtests.traffic.errors import LoadTestError

FOLDER = Path(__file__).parents[1] / "prompts"
_PADDING = "padding"


class PromptSet(BaseModel):
    """The prompts of a domain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: str = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    templates: tuple[str, ...] = Field(min_length=1)
    slots: Mapping[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _slots_have_words(self) -> "PromptSet":
        named = {name for text in self.templates for _, name, _, _ in Formatter().parse(text)}
        if missing := sorted(name for name in named if name and not self.slots.get(name)):
            raise ValueError(f"slots: no words for {', '.join(missing)}")
        return self

    def draw(self, random: Random) -> str:
        """A random prompt."""
        words = {name: random.choice(those) for name, those in self.slots.items()}
        return random.choice(self.templates).format_map(words)


@dataclass(frozen=True)
class DrawnPrompt:
    """A prompt, its domain, and the most tokens that its answer may have."""

    domain: str
    text: str
    max_tokens: int


class PromptMix:
    """Draws prompts of several domains in given shares.

    Args:
        sets: by domain.
        shares: by domain, relative to each other.
        padding: sentences that may come before a prompt.
        padding_words: the smallest and largest number of padding words.
    """

    def __init__(
        self,
        sets: Mapping[str, PromptSet],
        shares: Mapping[str, float],
        padding: tuple[str, ...] = (),
        padding_words: tuple[int, int] = (0, 0),
    ) -> None:
        if unknown := sorted(shares.keys() - sets.keys()):
            raise LoadTestError(
                f"shares: no prompts for {', '.join(unknown)}; known: {', '.join(sorted(sets))}"
            )
        self._sets, self._shares = sets, dict(shares)
        self._padding, self._padding_words = padding, padding_words

    def draw(self, random: Random) -> DrawnPrompt:
        """A random prompt."""
        domain, *_ = random.choices(tuple(self._shares), tuple(self._shares.values()))
        drawn = self._sets[domain]
        text = drawn.draw(random)
        if self._padding_words[1]:
            count = random.randint(*self._padding_words)
            text = f"{self._padding_text(count, random)}\n\n{text}"
        return DrawnPrompt(domain, text, drawn.max_tokens)

    def _padding_text(self, count: int, random: Random) -> str:
        words: list[str] = []
        while len(words) < count:
            words += random.choice(self._padding).split()
        return " ".join(words[:count])


def read_prompts(
    shares: Mapping[str, float], padding_words: tuple[int, int] = (0, 0), folder: Path = FOLDER
) -> PromptMix:
    """The prompts of a folder: a file per domain, and `padding.yaml`, a list of sentences.

    Raises:
        LoadTestError: a file is invalid, or a domain with a share has no prompts.
    """
    sets: dict[str, PromptSet] = {}
    padding: tuple[str, ...] = ()
    for path in sorted(folder.glob("*.yaml")):
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
            if path.stem == _PADDING:
                padding = tuple(str(sentence) for sentence in raw)
                continue
            found = PromptSet.model_validate(raw)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            message = " ".join(str(error).split())
            raise LoadTestError(f"{path}: invalid prompts: {message}") from error
        sets[found.domain] = found
    return PromptMix(sets, shares, padding, padding_words)
