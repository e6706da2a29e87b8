"""Utterances: what says the same stays on one side, and what is held out is never trained."""

import os
from pathlib import Path

import pytest

from lab.specialists.functions.utterances import Utterance, split, utterances


def said(text: str, *slots: tuple[str, str], tested: bool = False) -> Utterance:
    return Utterance(text, "set/intent", slots, tested)


def test_a_pattern_has_slots_in_place_of_their_values() -> None:
    """So that it does not matter which city was asked for."""
    paris = said("Weather in Paris, please!", ("city", "Paris"))
    rome = said("weather in rome please", ("city", "rome"))

    assert paris.pattern == rome.pattern


def test_what_says_the_same_as_a_test_row_is_not_trained() -> None:
    """Slots apart; the test row itself stays."""
    found = split(
        [
            said("weather in Paris", ("city", "Paris")),
            said("wake me up"),
            said("weather in Rome", ("city", "Rome"), tested=True),
        ]
    )

    assert [row.text for row in found["test"]] == ["weather in Rome"]
    assert [row.text for row in found["train"] + found["validation"]] == ["wake me up"]


def test_a_text_comes_once_and_as_a_test_row_if_it_is_one_anywhere() -> None:
    """Two sets share utterances; marks and letter case are no difference."""
    found = split([said("Wake me up."), said("wake me up"), said("WAKE me up", tested=True)])

    assert [row.text for row in found["test"]] == ["WAKE me up"]
    assert found["train"] == found["validation"] == []


def test_a_slot_that_the_text_lacks_leaves_the_row_out() -> None:
    """No model can know it."""
    found = split([said("wake me up", ("time", "six"))])

    assert not any(found.values())


def test_some_are_for_validation_and_always_the_same() -> None:
    """By what they say."""
    rows = [said(f"say {'a' * n}") for n in range(1, 1000)]

    first, again = split(rows), split(reversed(rows))

    assert {row.text for row in first["validation"]} == {row.text for row in again["validation"]}
    assert 0.02 < len(first["validation"]) / len(rows) < 0.06


@pytest.mark.data
def test_the_sets_are_read_and_their_own_test_rows_are_kept_apart() -> None:
    """All of them have rows on both sides, but for slots of restaurants and the like."""
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    found = utterances(Path(where))

    for part in ("train", "test"):
        sources = {row.intent.split("/")[0] for row in found[part]}
        assert sources == {"snips", "nlu", "restaurant8k", "bitext", "clinc"}
    patterns = {row.pattern for row in found["test"]}
    assert not patterns & {row.pattern for row in found["train"] + found["validation"]}
