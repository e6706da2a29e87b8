"""Examples to show: the same every time, of many groups, or the most alike."""

import random

import pytest

from lab.specialists.evaluation.shots import Shots, fixed, nearest
from lab.specialists.niches.niche import Example

TRAIN = [Example(f"question {n} of group {n % 3}", f"answer {n}", str(n % 3)) for n in range(30)]


def test_fixed_examples_do_not_depend_on_the_order_of_the_rows() -> None:
    """They are drawn by their text."""
    shuffled = random.Random(5).sample(TRAIN, len(TRAIN))

    assert fixed(shuffled, 7) == fixed(TRAIN, 7)


def test_fixed_examples_are_of_every_group_before_any_comes_again() -> None:
    """Seven of three groups: three, three, and one more."""
    groups = [example.group for example in fixed(TRAIN, 7)]

    assert len({*groups[:3]}) == len({*groups[3:6]}) == 3


def test_more_examples_are_the_same_and_others() -> None:
    """Raising the number changes nothing about the first."""
    assert fixed(TRAIN, 9)[:4] == fixed(TRAIN, 4)


SPOKEN = [
    Example("play some jazz", "play"),
    Example("book a table for two", "book"),
    Example("what is the weather in paris", "weather"),
    Example("play the new album", "play"),
]


def test_the_nearest_examples_share_the_questions_words_the_most_alike_last() -> None:
    """Rare words count more than common ones."""
    (chosen,) = nearest(SPOKEN, ["play jazz on the radio"], 2)

    assert [example.prompt for example in chosen] == ["play the new album", "play some jazz"]


def test_a_question_is_not_shown_its_own_row() -> None:
    """Its answer would stand in the prompt."""
    (chosen,) = nearest(SPOKEN, ["play some jazz"], 2)

    assert "play some jazz" not in [example.prompt for example in chosen]
    assert len(chosen) == 2


def test_of_rows_that_are_equally_alike_the_earlier_is_taken() -> None:
    """Rounding must not decide, or a run could not be gone on with."""
    train = [Example(f"{word} the big red door", word) for word in ("open", "close", "paint")]

    (chosen,) = nearest(train, ["the big red door"], 2)

    assert [example.answer for example in chosen] == ["close", "open"]


def test_each_question_has_its_own_nearest_examples() -> None:
    """Fixed ones are the same for all."""
    questions = ["weather in rome", "a table please"]

    assert [of[-1].answer for of in Shots("nearest", 1).of(SPOKEN, questions)] == [
        "weather",
        "book",
    ]
    first, second = Shots("fixed", 2).of(SPOKEN, questions)
    assert first == second


def test_no_examples_are_no_shots() -> None:
    """Asking without examples is another way of asking."""
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Shots("fixed", 0)
