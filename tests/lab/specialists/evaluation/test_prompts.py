"""How a generalist is asked."""

import json

from lab.specialists.evaluation.prompts import (
    FEW_SHOT,
    INSTRUCTIONS,
    REASONED,
    REASONING_TOKENS,
    WAYS,
    ZERO_SHOT,
    ask,
    room,
)
from lab.specialists.niches.niche import Example
from lab.specialists.niches.registry import NICHES
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
    ((system, user),) = ask(WAYS["zero-shot"], NICHES["sql"], ["Columns: a"], [])

    assert (system.role, system.content) == ("system", INSTRUCTIONS["sql"])
    assert (user.role, user.content) == ("user", "Columns: a")


def test_the_instruction_may_stand_in_the_users_message() -> None:
    """Some models heed no system message."""
    ((user,),) = ask(WAYS["zero-shot within"], NICHES["biomed"], ["Of rats."], [])

    assert user.role == "user"
    assert user.content == f"{INSTRUCTIONS['biomed']}\n\nOf rats."


def test_examples_are_earlier_turns() -> None:
    """User and assistant in turn, and the question last."""
    niche, train = make_niche(), toy_examples(20)

    (chat,) = ask(WAYS["fixed 8"], niche, ["say me"], train)

    assert [message.role for message in chat] == ["system", *["user", "assistant"] * 8, "user"]
    shown = {
        (first.content, second.content)
        for first, second in zip(chat[1:-1:2], chat[2:-1:2], strict=True)
    }
    assert shown <= {(example.prompt, example.answer) for example in train}
    assert chat[-1].content == "say me"


def test_a_niche_without_an_instruction_has_its_system_prompt() -> None:
    """A user's own niche, say."""
    ((system, _),) = ask(WAYS["zero-shot"], make_niche(), ["say me"], [])

    assert system.content == "say it."


def test_all_intents_of_the_training_rows_are_named() -> None:
    """Nobody can guess the names of labels."""
    ((system, _),) = ask(WAYS["zero-shot"], NICHES["support"], ["hello"], INTENTS)

    assert system.content.endswith("The intents are: a, b.")


def test_all_functions_are_named_with_their_arguments_the_usual_ones_first() -> None:
    """Nor their arguments."""
    ((system, _),) = ask(WAYS["zero-shot"], NICHES["tools"], ["hello"], CALLS)

    assert system.content.endswith("Play(by, track, genre)\nRate()")


def test_examples_of_sql_are_laid_out_as_the_test_rows_are() -> None:
    """A share of the training rows is not."""
    train = [Example(f"{start}{n}", "SELECT") for n in range(9) for start in ("Columns: ", "t: ")]

    (chat,) = ask(WAYS["fixed 8"], NICHES["sql"], ["Columns: a"], train)

    assert all(of.content.startswith("Columns: ") for of in chat if of.role == "user")


def test_every_default_niche_has_an_instruction() -> None:
    """A specialist's system prompt says too little to a model that was not trained with it."""
    assert INSTRUCTIONS.keys() >= NICHES.keys()


def test_a_generalist_is_asked_without_and_with_examples() -> None:
    """In the ways that did best on validation rows."""
    assert ZERO_SHOT.shots is None
    assert FEW_SHOT.shots is not None


def test_without_examples_a_generalist_may_think_aloud() -> None:
    """Where that helps it is told so, and its answer has room for it."""
    math = NICHES["math"]
    ((system, _),) = ask(WAYS["zero-shot"], math, ["How many?"], [])

    assert system.content == REASONED["math"]
    assert room(WAYS["zero-shot"], math) == REASONING_TOKENS > math.max_answer_tokens
    assert room(WAYS["nearest 8"], math) == math.max_answer_tokens
    assert room(WAYS["zero-shot"], NICHES["sql"]) == NICHES["sql"].max_answer_tokens
