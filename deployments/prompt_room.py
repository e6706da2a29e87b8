"""Whether a text can fit a model's context at all, without encoding it.

Rule: a text is the bytes of its tokens, one after the other. So it has at least as many tokens as
its bytes, letters or words divided by the most that a token of the vocabulary has of them. The
bytes alone say little, since the longest tokens are runs of spaces; letters and words say more.
What may fit is not decided here: the engine counts it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_MOST_BYTES = 4
"""Of a character; and of a token that stands for any that the vocabulary lacks."""
_SLICE = 1 << 16
"""Characters that are looked at together: what has no room is known after a few."""
_LETTER, _OTHER_LETTER, _SPACE, _SIGN = b"ax ."


def _kind(byte: int) -> int:
    if byte >= 0x80:
        return _OTHER_LETTER
    if chr(byte).isalnum():
        return _LETTER
    return _SPACE if chr(byte) in " \t\n\r" else _SIGN


_KINDS = bytes(map(_kind, range(256)))
_NO_LETTERS = bytes(byte for byte in range(256) if _KINDS[byte] != _LETTER)


def _byte_characters() -> dict[str, int]:
    """The characters that stand for bytes in vocabularies like GPT-2's."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    others = {chr(256 + place): byte for place, byte in enumerate(hidden)}
    return {chr(byte): byte for byte in shown} | others


@dataclass(frozen=True, slots=True)
class Measures:
    """What a text, or a token, has of bytes, of ASCII letters and digits, and of beginnings of
    words after a space."""

    size: int = 0
    letters: int = 0
    words: int = 0

    @classmethod
    def of(cls, data: bytes) -> "Measures":
        """Those of a text in UTF-8."""
        kinds = data.translate(_KINDS)
        letters = len(data.translate(None, _NO_LETTERS))
        return cls(len(data), letters, kinds.count(b" a") + kinds.count(b" x"))

    def __add__(self, other: "Measures") -> "Measures":
        return Measures(
            self.size + other.size, self.letters + other.letters, self.words + other.words
        )

    def largest(self, other: "Measures") -> "Measures":
        """The larger of each."""
        return Measures(
            max(self.size, other.size),
            max(self.letters, other.letters),
            max(self.words, other.words),
        )


@dataclass(frozen=True, slots=True)
class PromptRoom:
    """The room that a model has for a prompt.

    Attributes:
        context_tokens: the most tokens of a prompt.
        of_a_token: the most that a token has of each measure.
        drops: whether its tokenizer leaves out parts of a text, so that its size says nothing.
        hides_thoughts: whether its chat template leaves out what it thought for earlier answers.
    """

    context_tokens: int
    of_a_token: Measures
    drops: bool = False
    hides_thoughts: bool = False

    def holds(self, texts: Sequence[str]) -> bool:
        """Whether the texts of one prompt may fit; False: they cannot."""
        if sum(map(len, texts)) * _MOST_BYTES <= self.context_tokens:
            return True
        found = Measures()
        for text in texts:
            for part in _slices(text.strip()):  # as some templates do
                found += Measures.of(part)
                if self._fewest_tokens(found) > self.context_tokens:
                    return False
        return True

    def _fewest_tokens(self, found: Measures) -> int:
        token = self.of_a_token
        # A word may also begin between two tokens.
        fewest = max(found.letters // token.letters, found.words // (token.words + 1))
        return fewest if self.drops else max(fewest, found.size // token.size)


def room_for(
    vocabulary: Iterable[str], context_tokens: int, *, drops: bool, hides_thoughts: bool
) -> PromptRoom:
    """The room of a model with these tokens, as its file has them; arguments as of `PromptRoom`."""
    largest = Measures(_MOST_BYTES, _MOST_BYTES)
    byte_of = _byte_characters()
    for token in vocabulary:
        largest = largest.largest(Measures.of(token.replace("\u2581", " ").encode()))
        if byte_of.keys() >= set(token):
            largest = largest.largest(Measures.of(bytes(map(byte_of.__getitem__, token))))
    return PromptRoom(context_tokens, largest, drops, hides_thoughts)


def _slices(text: str) -> Iterator[bytes]:
    for start in range(0, len(text), _SLICE):
        yield text[start : start + _SLICE].encode()
