"""Small changes that keep the meaning of a prompt, and should not change its routing.

There are two families. Typos change one or two letters, case, punctuation or white space.
Paraphrases change the words around the content: courtesy, a phrase, contractions.
No word is replaced by a synonym, so the request never changes.

Rule: the change is drawn from the text and the seed, so it is deterministic.
"""

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from lab.routing.noise import doubled, dropped, mistyped, swapped, with_typos

_CONTRACTIONS = (
    ("what is", "what's"),
    ("where is", "where's"),
    ("who is", "who's"),
    ("that is", "that's"),
    ("it is", "it's"),
    ("i am", "i'm"),
    ("i would", "i'd"),
    ("i will", "i'll"),
    ("do not", "don't"),
    ("does not", "doesn't"),
    ("did not", "didn't"),
    ("is not", "isn't"),
    ("are not", "aren't"),
    ("cannot", "can't"),
    ("let us", "let's"),
)
_FRAMES = (
    "Here is what I need: {}",
    "My request is this: {}",
    "I have a question for you: {}",
    "Can you do this for me? {}",
    "This is what I want to ask: {}",
)
_GREETINGS = (
    "Hi, could you help me with this? {}",
    "Hello! {}",
    "Hey there, {}",
    "Good morning. {}",
)
_THANKS = (
    "{}\nThanks!",
    "{} Thank you.",
    "{}\n\nThanks in advance for your help.",
    "{} much obliged",
)


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One kind of change.

    Attributes:
        name: its name.
        family: `typo` or `paraphrase`.
        change: maps a text and a random generator to the changed text, or to the same text if there
            is nothing to change.
    """

    name: str
    family: str
    change: Callable[[str, random.Random], str]

    def apply(self, text: str, seed: int = 0) -> str:
        """The changed text."""
        digest = hashlib.sha256(f"{seed}\0{self.name}\0{text}".encode()).digest()
        return self.change(text, random.Random(digest))


def _without_punctuation(text: str, rng: random.Random) -> str:
    """Removes the marks at the ends of sentences and lines."""
    del rng
    return re.sub(r"[.?!]+(?=\s|$)", "", text)


def _more_punctuation(text: str, rng: random.Random) -> str:
    return text.rstrip(" .?!") + rng.choice(("?", "??", "!", "...", "."))


def _spaced(text: str, rng: random.Random) -> str:
    """Doubles some white space, and adds some around the text."""
    wide = "".join(
        part * 2 if part.isspace() and part.strip("\n") and rng.random() < 0.3 else part
        for part in re.split(r"(\s+)", text)
    )
    return f"{rng.choice(('', ' ', chr(10)))}{wide}{rng.choice((' ', chr(10), '  '))}"


def _framed(frames: tuple[str, ...]) -> Callable[[str, random.Random], str]:
    return lambda text, rng: rng.choice(frames).format(text.strip())


def _please(text: str, rng: random.Random) -> str:
    body, end = re.fullmatch(r"(.*?)([\s.?!]*)", text.strip(), re.DOTALL).groups()  # type: ignore[union-attr]  # it matches any text
    if rng.random() < 0.5:
        return f"{body}, please{end}"
    return f"Please: {body}{end}"


def _contracted(text: str, rng: random.Random) -> str:
    """Applies every contraction, or undoes all if the text has some."""
    del rng
    short = text.replace("\u2019", "'")
    for long_form, short_form in _CONTRACTIONS:
        short = _replaced(short, long_form, short_form)
    if short != text:
        return short
    for long_form, short_form in _CONTRACTIONS:
        text = _replaced(text, short_form, long_form)
    return text


def _replaced(text: str, old: str, new: str) -> str:
    def keep_case(found: re.Match[str]) -> str:
        return found[0][0] + new[1:]

    return re.sub(rf"\b{re.escape(old)}\b", keep_case, text, flags=re.IGNORECASE)


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation("letters swapped", "typo", with_typos(swapped)),
    Perturbation("letter dropped", "typo", with_typos(dropped)),
    Perturbation("letter doubled", "typo", with_typos(doubled)),
    Perturbation("neighbouring key", "typo", with_typos(mistyped)),
    Perturbation("lower case", "typo", lambda text, _: text.lower()),
    Perturbation("upper case", "typo", lambda text, _: text.upper()),
    Perturbation("no punctuation", "typo", _without_punctuation),
    Perturbation("other punctuation", "typo", _more_punctuation),
    Perturbation("white space", "typo", _spaced),
    Perturbation("please", "paraphrase", _please),
    Perturbation("greeting", "paraphrase", _framed(_GREETINGS)),
    Perturbation("thanks", "paraphrase", _framed(_THANKS)),
    Perturbation("frame", "paraphrase", _framed(_FRAMES)),
    Perturbation("contractions", "paraphrase", _contracted),
)
"""All changes."""
