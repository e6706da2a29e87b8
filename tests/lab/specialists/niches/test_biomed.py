"""`biomed`: the mentions of a sentence as an answer."""

import json

from lab.specialists.niches.biomed import _split, _written, mentions


def entity(text: str, kind: str = "Chemical") -> dict[str, str]:
    return {"text": text, "type": kind}


def test_mentions_stand_in_their_order_and_as_often() -> None:
    """Chemicals and diseases each in a list, twice where they are mentioned twice."""
    found = mentions([entity("NaCl"), entity("flu", "Disease"), entity("aspirin"), entity("NaCl")])

    assert json.loads(found) == {"chemicals": ["NaCl", "aspirin", "NaCl"], "diseases": ["flu"]}


def test_nothing_mentioned_is_said_so() -> None:
    """A sentence without any has two empty lists, not an empty answer."""
    assert mentions([]) == '{"chemicals": [], "diseases": []}'


def test_letters_are_not_escaped() -> None:
    """The answer has the sentence's own letters, which cost fewer tokens."""
    assert "β-carotene" in mentions([entity("β-carotene")])


def test_text_and_mentions_are_joined_alike() -> None:
    """What is to be found stands in the sentence, letter for letter."""
    row = {
        "text": "Parkinson ' s disease ( PD ) .",
        "entities": [entity("Parkinson ' s disease", "Disease"), entity("PD", "Disease")],
    }

    example = _written(row)

    assert example.prompt == "Parkinson's disease (PD)."
    assert json.loads(example.answer)["diseases"] == ["Parkinson's disease", "PD"]


def test_a_mention_that_would_be_lost_keeps_the_set_s_own_text() -> None:
    """Where joining runs a mention into its neighbour, nothing is joined."""
    row = {"text": "a ' s", "entities": [entity("a '")]}

    example = _written(row)

    assert example.prompt == "a ' s"
    assert json.loads(example.answer)["chemicals"] == ["a '"]


def test_the_sets_own_test_part_is_the_test() -> None:
    """Rows that the set holds out are never trained on; a share of `devel` validates."""
    parts = {
        split: {_split({"split": split, "text": f"text {n}"}) for n in range(300)}
        for split in ("train", "devel", "test")
    }

    assert parts == {"train": {"train"}, "devel": {"train", "validation"}, "test": {"test"}}
