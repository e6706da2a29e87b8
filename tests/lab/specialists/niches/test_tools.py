"""`tools`: a row of the set as a function call, and which part it belongs to."""

import json
from typing import Any

from lab.specialists.niches.tools import _split, call


def row(*slots: tuple[str, str], text: str = "play it", split: str = "train") -> dict[str, Any]:
    named = [{"entity": entity, "value": value} for entity, value in slots]
    return {"intent": "PlayMusic", "slots": named, "text": text, "split": split}


def test_a_call_has_the_intent_and_its_arguments() -> None:
    """A row's slots become the arguments, in their order."""
    made = call(row(("artist", "Björk"), ("year", "1995")))

    assert made == '{"name": "PlayMusic", "arguments": {"artist": "Björk", "year": "1995"}}'


def test_a_call_without_arguments_says_so() -> None:
    """No slots, no arguments: the key stays."""
    assert json.loads(call(row())) == {"name": "PlayMusic", "arguments": {}}


def test_an_argument_named_again_becomes_a_list() -> None:
    """Two values and three make a flat list in the order in which they were said."""
    twice = json.loads(call(row(("genre", "a"), ("genre", "b"))))
    thrice = json.loads(call(row(("genre", "a"), ("genre", "b"), ("genre", "c"))))

    assert twice["arguments"] == {"genre": ["a", "b"]}
    assert thrice["arguments"] == {"genre": ["a", "b", "c"]}


def test_the_sets_own_valid_part_is_the_test() -> None:
    """Rows that the data set holds out are never trained on."""
    assert {_split(row(text=f"text {n}", split="valid")) for n in range(200)} == {"test"}


def test_a_twentieth_of_the_training_rows_is_for_validation() -> None:
    """A hash of the text draws about 5 % of `train`, always the same rows."""
    drawn = [_split(row(text=f"play song {n}")) for n in range(4000)]

    assert set(drawn) == {"train", "validation"}
    assert 0.035 < drawn.count("validation") / len(drawn) < 0.065
    assert drawn == [_split(row(text=f"play song {n}")) for n in range(4000)]


def test_letter_case_does_not_move_a_sentence() -> None:
    """The same sentence in capitals stays on its side."""
    texts = [f"play song {n}" for n in range(400)]

    assert [_split(row(text=t)) for t in texts] == [_split(row(text=t.upper())) for t in texts]
