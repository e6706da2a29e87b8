"""Prompts for a generalist, with and without examples."""

import json
import random
from dataclasses import replace

import pytest

from lab.specialists.evaluation.prompts import (
    FEW_SHOT,
    PROMPT_STYLES,
    REASONING_TOKENS,
    ZERO_SHOT,
    Shots,
    answer_tokens,
    chats_for,
    fixed,
    nearest,
)
from lab.specialists.niche import Example, Instruction
from lab.specialists.registry import NICHES
from tests.lab.specialists.toy_niche import make_niche, toy_examples

INTENTS = [Example("where is it", '{"intent": "b"}'), Example("no card", '{"intent": "a"}')]
CALLS = [
    Example("play it", json.dumps({"name": "Play", "arguments": {"track": "it"}})),
    Example("play jazz by her", json.dumps({"name": "Play", "arguments": {"by": "her"}})),
    Example("play jazz", json.dumps({"name": "Play", "arguments": {"by": "x", "genre": "jazz"}})),
    Example("rate", json.dumps({"name": "Rate", "arguments": {}})),
]


def test_without_examples_the_instruction_is_the_system_message() -> None:
    """And the question is what the user writes, with nothing added."""
    ((system, user),) = chats_for(PROMPT_STYLES["zero-shot"], NICHES["sql"], ["Columns: a"], [])

    assert (system.role, system.content) == ("system", NICHES["sql"].instruction.text)
    assert (user.role, user.content) == ("user", "Columns: a")


def test_the_instruction_may_stand_in_the_users_message() -> None:
    """Some models heed no system message."""
    ((user,),) = chats_for(PROMPT_STYLES["zero-shot within"], NICHES["biomed"], ["Of rats."], [])

    assert user.role == "user"
    assert user.content == f"{NICHES['biomed'].instruction.text}\n\nOf rats."


def test_examples_are_earlier_turns() -> None:
    """User and assistant in turn, and the question last."""
    niche, train = make_niche(), toy_examples(20)

    (chat,) = chats_for(PROMPT_STYLES["fixed 8"], niche, ["say me"], train)

    assert [message.role for message in chat] == ["system", *["user", "assistant"] * 8, "user"]
    shown = {
        (first.content, second.content)
        for first, second in zip(chat[1:-1:2], chat[2:-1:2], strict=True)
    }
    assert shown <= {(example.prompt, example.answer) for example in train}
    assert chat[-1].content == "say me"


def test_a_niche_without_an_instruction_has_its_system_prompt() -> None:
    """A user's own niche, say."""
    ((system, _),) = chats_for(PROMPT_STYLES["zero-shot"], make_niche(), ["say me"], [])

    assert system.content == "say it."


def test_all_intents_of_the_training_rows_are_named() -> None:
    """Nobody can guess the names of labels."""
    ((system, _),) = chats_for(PROMPT_STYLES["zero-shot"], NICHES["support"], ["hello"], INTENTS)

    assert system.content.endswith("The intents are: a, b.")


def test_all_functions_are_named_with_their_arguments_the_usual_ones_first() -> None:
    """Nor their arguments."""
    ((system, _),) = chats_for(PROMPT_STYLES["zero-shot"], NICHES["tools"], ["hello"], CALLS)

    assert system.content.endswith("Play(by, track, genre)\nRate()")


def test_examples_of_sql_are_laid_out_as_the_test_rows_are() -> None:
    """A share of the training rows is not."""
    train = [Example(f"{start}{n}", "SELECT") for n in range(9) for start in ("Columns: ", "t: ")]

    (chat,) = chats_for(PROMPT_STYLES["fixed 8"], NICHES["sql"], ["Columns: a"], train)

    assert all(of.content.startswith("Columns: ") for of in chat if of.role == "user")


def test_where_nothing_is_added_the_result_is_asked_for() -> None:
    """A word problem's answer is otherwise worked out by the calculator."""
    math, train = NICHES["math"], [Example("How many?", "3 + 4 =")]

    completed, bare = (
        chats_for(PROMPT_STYLES["fixed 8"], math, ["Which?"], train, completes=completes)[0][0]
        for completes in (True, False)
    )

    assert completed.content == math.instruction.text
    assert bare.content == math.instruction.uncompleted


def test_a_dollar_sign_is_one_where_an_instruction_has_no_labels() -> None:
    """Only those that name labels are filled in."""
    priced = replace(NICHES["math"], instruction=Instruction("Pay $5 for $labels."))

    ((system, _),) = chats_for(PROMPT_STYLES["zero-shot"], priced, ["Which?"], [])

    assert system.content == "Pay $5 for $labels."


def test_a_generalist_is_asked_without_and_with_examples() -> None:
    """In the ways that did best on validation rows."""
    assert ZERO_SHOT.shots is None
    assert FEW_SHOT.shots is not None


def test_without_examples_a_generalist_may_think_aloud() -> None:
    """Where that helps it is told so, and its answer has room for it."""
    math = NICHES["math"]
    ((system, _),) = chats_for(PROMPT_STYLES["zero-shot"], math, ["How many?"], [])

    assert system.content == math.instruction.reasoned
    assert (
        answer_tokens(PROMPT_STYLES["zero-shot"], math) == REASONING_TOKENS > math.max_answer_tokens
    )
    assert answer_tokens(PROMPT_STYLES["nearest 8"], math) == math.max_answer_tokens
    assert (
        answer_tokens(PROMPT_STYLES["zero-shot"], NICHES["sql"]) == NICHES["sql"].max_answer_tokens
    )


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
    with pytest.raises(ValueError, match="0"):
        Shots("fixed", 0)
