"""`deployments.prompt_room`: what cannot fit is known without encoding it, and what may is not
refused."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.prompt_room import PromptRoom, room_for

VOCABULARY = [chr(256 + byte) if byte <= 0x20 else chr(byte) for byte in range(0x7F)]
VOCABULARY += ["the", "\u0120the", "ing", "\u0120" * 16, "----", "\u0120is\u0120a", "nation"]
"""Bytes and a few words, as GPT-2's files write them: a space is `\u0120`."""


def room(context_tokens: int = 100, *, drops: bool = False) -> PromptRoom:
    return room_for(VOCABULARY, context_tokens, drops=drops, hides_thoughts=False)


@dataclass
class Tokenizer:
    """Takes the longest token at each place."""

    tokens: list[str] = field(
        default_factory=lambda: sorted(
            (token.replace("\u0120", " ") for token in VOCABULARY), key=len, reverse=True
        )
    )

    def count(self, text: str) -> int:
        tokens = 0
        while text:
            longest = next((token for token in self.tokens if text.startswith(token)), text[0])
            text, tokens = text[len(longest) :], tokens + 1
        return tokens


@given(st.lists(st.sampled_from([*VOCABULARY, " the", "nation", " " * 16, "a"]), max_size=60))
def test_no_text_is_refused_that_fits(pieces):
    """Whatever it is made of: its fewest tokens are no more than it has."""
    text = "".join(pieces).replace("\u0120", " ")
    tokens = Tokenizer().count(text)

    assert room(max(1, tokens)).holds([text])
    assert room(max(1, tokens), drops=True).holds([text])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("word " * 2000, id="words"),
        pytest.param("x" * 2000, id="one word"),
        pytest.param("7" * 2000, id="a number"),
        pytest.param("-" * 4000, id="signs"),
        pytest.param("\u4f60" * 2000, id="no letters of ours"),
        pytest.param(("a" + " " * 40) * 200, id="spaces between"),
    ],
)
def test_what_cannot_fit_is_known(text):
    """By its bytes, its letters or its words."""
    assert not room().holds([text])


def test_texts_of_one_prompt_count_together():
    """Each alone would fit."""
    assert room().holds(["nation" * 60])
    assert not room().holds(["nation" * 60, "nation" * 60])


def test_spaces_at_the_ends_do_not_count():
    """Chat templates may leave them out."""
    assert room().holds([" " * 100_000 + "hello" + "\n" * 100_000])


def test_of_a_tokenizer_that_drops_parts_only_letters_and_words_count():
    """It drops spaces, and makes one token of a word that it does not know."""
    assert room(drops=True).holds(["a" + " " * 100_000 + "\u4f60" * 100_000])
    assert not room(drops=True).holds(["word " * 2000])


@pytest.mark.parametrize(
    "token", [pytest.param("\u2581hello", id="sentencepiece"), pytest.param("##hello", id="pieces")]
)
def test_the_marks_of_other_vocabularies_are_spaces_or_nothing(token):
    """A token with its mark is no shorter than its text."""
    room_of_one = room_for([token], 10, drops=False, hides_thoughts=False)

    assert room_of_one.holds([" hello" * 10])
    assert not room_of_one.holds(["hello " * 30])


def test_a_huge_text_is_looked_at_as_far_as_it_has_to_be():
    """A slice of it, and not all its characters."""

    class Text(str):
        read = 0

        def strip(self, *_):
            return self

        def __getitem__(self, place):
            part = super().__getitem__(place)
            Text.read += len(part)
            return part

    assert not room().holds([Text("word " * 800_000)])
    assert Text.read < 100_000


def test_random_text_of_all_bytes_is_never_underestimated():
    """One token a byte is the most that a text can have."""
    bytes_ = random.Random(7).randbytes(300)
    text = bytes_.decode("latin-1")

    assert room(len(text.encode())).holds([text])
