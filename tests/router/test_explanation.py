"""Occlusion: which parts are left out, what each is worth, and how many texts that takes."""

import pytest

from router.explanation import effects
from router.types import GENERAL, Piece, Scores

DOMAIN = "sql"


class Judge:
    """Counts "yes" for the domain and "no" against it, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked.append(list(texts))
        shares = [0.5 + 0.1 * text.count("yes") - 0.1 * text.count("no") for text in texts]
        return [Scores({DOMAIN: share, GENERAL: 1 - share}, 0.0, 0.0) for share in shares]


def found(text, labelled=False):
    judge = Judge()
    pieces = effects(text, labelled, judge)
    [asked] = judge.asked
    assert asked[0] == text == "".join(piece.text for piece in pieces)
    assert len(asked) == 1 + sum(piece.effect is not None for piece in pieces)
    return pieces, asked[1:]


def test_each_word_of_a_short_text_is_left_out_once():
    """In order, with the white space after it."""
    _, asked = found("yes  or\nno maybe yes")
    assert asked == [
        "or\nno maybe yes",
        "yes  no maybe yes",
        "yes  or\nmaybe yes",
        "yes  or\nno yes",
        "yes  or\nno maybe",
    ]


def test_an_effect_is_what_the_likeliest_domain_loses():
    """Above zero for the domain, below zero against it."""
    pieces, _ = found("yes and no yes")
    assert [piece.effect for piece in pieces] == pytest.approx([0.1, 0, -0.1, 0.1])


def test_the_likeliest_domain_is_that_of_the_whole_text():
    """Also where it is `general`, or another would be likeliest without a word."""
    pieces, _ = found("no no")
    assert [piece.effect for piece in pieces] == pytest.approx([0.1, 0.1])


def test_labels_are_never_left_out():
    """They stay in every text, and the words on both sides are parts of their own."""
    pieces, asked = found("System: be brief\nUser: yes please", labelled=True)
    assert pieces[0] == Piece("System: ", None)
    assert pieces[3] == Piece("\nUser: ", None)
    assert asked == [
        "System: brief\nUser: yes please",
        "System: be \nUser: yes please",
        "System: be brief\nUser: please",
        "System: be brief\nUser: yes",
    ]


def test_a_user_may_write_a_label():
    """Without a system prompt there is none."""
    pieces, _ = found("System: yes")
    assert [piece.text for piece in pieces] == ["System: ", "yes"]


def test_of_a_longer_text_lines_and_sentences_are_left_out():
    """As long as they are not too long."""
    text = "Dear all,\n\n" + "we met again today, as ever. " * 5 + "Is it yes? " + "so long " * 5
    pieces, _ = found(text.strip())
    assert [piece.text.strip() for piece in pieces] == [
        "Dear all,",
        *["we met again today, as ever."] * 5,
        "Is it yes?",
        "so long so long so long so long so long",
    ]


def test_a_long_sentence_is_divided():
    """Into parts of fifteen words."""
    pieces, _ = found(" ".join(["word"] * 50))
    assert [len(piece.text.split()) for piece in pieces] == [15, 15, 15, 5]


@pytest.mark.parametrize(
    "text",
    ["a\n" * 400, "word " * 41, "x" * 1000, "a. " * 300, "\n".join(["one two"] * 60), "字" * 900],
    ids=["lines", "words", "no space", "sentences", "pairs", "no words"],
)
def test_the_batch_is_bounded(text):
    """Whatever the text is: at most 24 parts on each side, or 40 words on both."""
    text = text.strip()
    assert len(found(text)[1]) <= 40
    assert len(found(f"System: {text}\nUser: {text}", labelled=True)[1]) <= 48
