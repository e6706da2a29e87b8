"""Prompts, drawn: a file of templates per domain, so that few are asked twice.

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

from loadtests.traffic.errors import TrafficError

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
    def _filled(self) -> "PromptSet":
        wanted = {name for text in self.templates for _, name, _, _ in Formatter().parse(text)}
        if missing := sorted(name for name in wanted if name and not self.slots.get(name)):
            raise ValueError(f"no words for {', '.join(missing)}")
        return self

    def draw(self, random: Random) -> str:
        """One of them."""
        words = {name: random.choice(those) for name, those in self.slots.items()}
        return random.choice(self.templates).format_map(words)


@dataclass(frozen=True)
class Drawn:
    """A prompt, whose domain it is, and how long its answer may be."""

    domain: str
    text: str
    max_tokens: int


class Prompts:
    """Draws prompts of several domains, each as often as its share says.

    Args:
        sets: by domain.
        shares: by domain, relative to each other.
        padding: sentences that may be said before a prompt.
        words: how many words of them, from and to.
    """

    def __init__(
        self,
        sets: Mapping[str, PromptSet],
        shares: Mapping[str, float],
        padding: tuple[str, ...] = (),
        words: tuple[int, int] = (0, 0),
    ) -> None:
        if unknown := sorted(shares.keys() - sets.keys()):
            raise TrafficError(
                f"shares: no prompts of {', '.join(unknown)}; there are {', '.join(sorted(sets))}"
            )
        self._sets, self._shares = sets, dict(shares)
        self._padding, self._words = padding, words

    def draw(self, random: Random) -> Drawn:
        """One prompt."""
        domain, *_ = random.choices(tuple(self._shares), tuple(self._shares.values()))
        found = self._sets[domain]
        text = found.draw(random)
        if self._words[1]:
            text = f"{self._long(random.randint(*self._words), random)}\n\n{text}"
        return Drawn(domain, text, found.max_tokens)

    def _long(self, count: int, random: Random) -> str:
        words: list[str] = []
        while len(words) < count:
            words += random.choice(self._padding).split()
        return " ".join(words[:count])


def read_prompts(
    shares: Mapping[str, float], words: tuple[int, int] = (0, 0), folder: Path = FOLDER
) -> Prompts:
    """The prompts of a folder: a file per domain, and `padding.yaml`, a list of sentences.

    Raises:
        TrafficError: a file cannot be used, or a domain with a share has none.
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
            raise TrafficError(f"{path}: no prompts: {' '.join(str(error).split())}") from error
        sets[found.domain] = found
    return Prompts(sets, shares, padding, words)
