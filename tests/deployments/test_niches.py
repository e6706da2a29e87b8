"""The default niches: how a row becomes a prompt and a right answer, and who sees which row."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deployments.niches.niche import Example, Niche
from deployments.niches.registry import NICHES
from deployments.niches.sql import prompt
from deployments.niches.tools import _split, call

SPLITS = ("train", "validation", "test")


def row(*slots: tuple[str, str], text: str = "play it", split: str = "train") -> dict[str, Any]:
    named = [{"entity": entity, "value": value} for entity, value in slots]
    return {"intent": "PlayMusic", "slots": named, "text": text, "split": split}


def test_a_sql_prompt_names_the_columns_and_the_question() -> None:
    """The specialist reads one line of columns and one with the question."""
    assert prompt(["a b", "c"], "How many?") == "Columns: a b, c\nQuestion: How many?"


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


def test_an_unknown_grader_is_refused_with_the_known() -> None:
    """A niche without a grader that exists cannot be made."""
    with pytest.raises(ValueError, match=r"'toy': no grader 'vibes'; known: sql, json"):
        Niche("toy", "Do it.", (), "vibes", 8, lambda split, data_dir: iter(()))


@pytest.fixture(scope="module")
def data_dir() -> Path:
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    return Path(where)


@pytest.fixture(scope="module", params=sorted(NICHES))
def niche(request: pytest.FixtureRequest) -> Niche:
    return NICHES[request.param]


@pytest.fixture(scope="module")
def examples(niche: Niche, data_dir: Path) -> dict[str, list[Example]]:
    return {split: list(niche.examples(split, data_dir)) for split in SPLITS}


@pytest.mark.data
def test_every_split_has_rows(examples: dict[str, list[Example]]) -> None:
    """Training has thousands of rows, validation and test have hundreds."""
    assert len(examples["train"]) > 5000
    assert min(len(examples["validation"]), len(examples["test"])) > 300


@pytest.mark.data
def test_rows_are_whole_and_their_answers_right(
    niche: Niche, examples: dict[str, list[Example]]
) -> None:
    """No prompt or answer is empty, and the grader accepts every right answer."""
    for example in (example for split in SPLITS for example in examples[split]):
        assert example.prompt.strip()
        assert niche.grade(example.answer, example.answer)


@pytest.mark.data
@pytest.mark.parametrize("held_out", ["validation", "test"])
def test_training_sees_next_to_nothing_that_is_held_out(
    examples: dict[str, list[Example]], held_out: str
) -> None:
    """The sets repeat a few sentences themselves: no more than one prompt in fifty."""
    trained = {example.prompt.lower() for example in examples["train"]}
    kept = {example.prompt.lower() for example in examples[held_out]}

    assert len(kept & trained) <= len(kept) / 50


@pytest.mark.data
def test_no_table_is_on_both_sides(data_dir: Path) -> None:
    """`sql` is tested on tables that training has not seen."""
    tables = {
        split: {example.group for example in NICHES["sql"].examples(split, data_dir)}
        for split in SPLITS
    }

    assert not tables["train"] & tables["test"]
    assert not tables["train"] & tables["validation"]
