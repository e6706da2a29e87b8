"""JSON answers: the same value, and lists of items."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.grading.counts import Counts, Reference
from router.grading.structured import entities, json_exact

CALL = '{"name": "PlayMusic", "arguments": {"artist": "Björk", "year": 1995, "genre": ["a", "b"]}}'

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def same(answer: str, right: str = CALL) -> bool:
    return bool(json_exact(answer, Reference(right)).hits)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(CALL, id="the same text"),
        pytest.param(f"\n {CALL} ", id="white space around it"),
        pytest.param(CALL.replace(" ", ""), id="no white space"),
        pytest.param(CALL.replace("ö", "\\u00f6"), id="an escaped letter"),
        pytest.param(CALL.replace("1995", "1995.0"), id="another spelling of a number"),
        pytest.param(
            '{"arguments": {"year": 1995, "genre": ["a", "b"], "artist": "Björk"}, '
            '"name": "PlayMusic"}',
            id="another order of keys",
        ),
    ],
)
def test_json_that_differs_in_form_alone_is_equal(answer: str) -> None:
    """Values are compared, not their spelling."""
    assert same(answer)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("", id="nothing"),
        pytest.param(CALL[:-1], id="cut"),
        pytest.param(f"```json\n{CALL}\n```", id="fenced"),
        pytest.param(f"{CALL} {CALL}", id="twice"),
        pytest.param(CALL.replace("Björk", "björk"), id="another letter case"),
        pytest.param(CALL.replace("1995", '"1995"'), id="a string for a number"),
        pytest.param(CALL.replace('"a", "b"', '"b", "a"'), id="another order in a list"),
        pytest.param(CALL.replace(', "year": 1995', ""), id="an argument less"),
        pytest.param(CALL.replace("1995", "1995, 1"), id="no JSON"),
        pytest.param("[" * 100_000, id="nested deeper than a parser goes"),
        pytest.param("1" * 10_000, id="a number too long to be read"),
    ],
)
def test_other_json_is_wrong(answer: str) -> None:
    """What is not the same JSON value is a wrong answer, never an error."""
    assert not same(answer)


@pytest.mark.parametrize(
    ("one", "other"),
    [("true", "1"), ("false", "0"), ("[true]", "[1]"), ('{"a": {"b": false}}', '{"a": {"b": 0}}')],
)
def test_true_is_not_one(one: str, other: str) -> None:
    """JSON's truth values are no numbers, at any depth."""
    assert not same(one, other)
    assert not same(other, one)
    assert same(one, one)


@given(_JSON)
def test_a_value_equals_itself_however_it_is_written(value: object) -> None:
    """Indentation, escapes and the order of keys are no part of a value."""
    assert same(json.dumps(value, indent=1, sort_keys=True), json.dumps(value, ensure_ascii=False))


@given(_JSON, _JSON)
def test_equal_means_the_same_canonical_text(one: object, other: object) -> None:
    """Two values are held equal just when their sorted texts are, numbers by their size."""

    def canonical(value: object) -> object:
        if isinstance(value, dict):
            return {key: canonical(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [canonical(inner) for inner in value]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number else value

    texts = [json.dumps(canonical(value), sort_keys=True) for value in (one, other)]
    signless = [text.replace("-0.0", "0.0") for text in texts]
    assert same(json.dumps(one), json.dumps(other)) == (signless[0] == signless[1])


def test_a_reference_that_is_no_json_grades_nothing() -> None:
    """That is an error in the data, and no answer's fault."""
    with pytest.raises(ValueError, match="Expecting"):
        json_exact("{}", Reference("no JSON"))


FOUND = '{"chemicals": ["Aspirin", "aspirin", "NaCl"], "diseases": ["flu"]}'


def items(answer: str, right: str = FOUND) -> Counts:
    return entities(answer, Reference(right))


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        pytest.param(FOUND, (4, 4, 4), id="all of them"),
        pytest.param(FOUND.replace("Aspirin", "as pirin"), (4, 4, 4), id="case and white space"),
        pytest.param('{"chemicals": ["NaCl"], "diseases": []}', (1, 1, 4), id="one"),
        pytest.param(
            '{"chemicals": ["aspirin"], "diseases": ["flu"]}', (2, 2, 4), id="a mention missed"
        ),
        pytest.param('{"chemicals": ["NaCl", "NaCl"]}', (1, 2, 4), id="a mention too many"),
        pytest.param('{"diseases": ["NaCl"], "chemicals": ["flu"]}', (0, 2, 4), id="swapped"),
        pytest.param('{"drugs": ["NaCl"]}', (0, 1, 4), id="a list of another name"),
        pytest.param('{"chemicals": "NaCl"}', (0, 0, 4), id="no list"),
        pytest.param('{"chemicals": [1, null, ["NaCl"], "NaCl"]}', (1, 1, 4), id="other items"),
        pytest.param('["NaCl"]', (0, 0, 4), id="no object"),
        pytest.param("NaCl and flu", (0, 0, 4), id="prose"),
        pytest.param("", (0, 0, 4), id="nothing"),
        pytest.param(FOUND[:-2], (0, 0, 4), id="cut"),
        pytest.param("[" * 100_000, (0, 0, 4), id="nested deeper than a parser goes"),
    ],
)
def test_items_are_counted(answer: str, counts: tuple[int, int, int]) -> None:
    """Hits, what was claimed, and what was wanted; a mention counts as often as it is made."""
    assert items(answer) == Counts(*counts)


_ITEMS = st.fixed_dictionaries(
    {
        name: st.lists(st.sampled_from(["flu", "Flu", "NaCl", "na cl", "x"]), max_size=6)
        for name in ("chemicals", "diseases")
    }
)


@given(_ITEMS, _ITEMS)
def test_hits_are_the_same_from_both_sides(one: dict, other: dict) -> None:
    """Precision of one against the other is recall the other way round."""
    there, back = (
        items(json.dumps(one), json.dumps(other)),
        items(json.dumps(other), json.dumps(one)),
    )

    assert there == Counts(back.hits, back.wanted, back.claimed)


@given(_ITEMS, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter(found: dict, rng) -> None:
    """What was found is a multiset."""
    shuffled = {name: rng.sample(inner, len(inner)) for name, inner in found.items()}

    assert items(json.dumps(shuffled), json.dumps(found)).quality == 1


@pytest.mark.parametrize("bad", ["no JSON", "[]", ""])
def test_a_reference_that_is_no_object_grades_nothing(bad: str) -> None:
    """Otherwise every answer that claims nothing would be held right."""
    with pytest.raises(ValueError, match="object"):
        items(bad, bad)
