"""Splits: nothing stands on two sides, and chance does not change its mind."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lab.specialists.from_file import key_of, split_examples, without_held_out
from lab.specialists.niche import Example

EXAMPLES = st.lists(
    st.builds(
        Example,
        st.text("aAb ", min_size=1, max_size=4),
        st.just("yes"),
        st.sampled_from(["", "", "g1", "g2", "g3"]),
    ),
    max_size=60,
)


def many(count: int) -> list[Example]:
    return [Example(f"prompt {n}", "yes") for n in range(count)]


@given(EXAMPLES)
def test_no_group_and_no_prompt_is_on_two_sides(examples: list[Example]) -> None:
    """Whatever rows share, they share a side; letter case and white space make no other prompt."""
    found = split_examples(examples, ("test", "validation"))

    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        groups = [{row.group for row in found[part] if row.group} for part in (one, other)]
        prompts = [{key_of(row.prompt) for row in found[part]} for part in (one, other)]
        assert not groups[0] & groups[1]
        assert not prompts[0] & prompts[1]


@given(EXAMPLES, st.randoms())
def test_every_row_has_one_side_whatever_the_order(examples: list[Example], random) -> None:
    """No row is lost, none is there twice, and sorting a file does not move a row."""
    shuffled = random.sample(examples, len(examples))

    found, again = (
        split_examples(examples, ("test", "validation")),
        split_examples(shuffled, ("test", "validation")),
    )

    assert sum(map(len, found.values())) == len(examples)
    for part, rows in found.items():
        assert sorted(map(repr, rows)) == sorted(map(repr, again[part]))


def test_a_tenth_is_held_out_for_each() -> None:
    """Of many rows about 80 % train."""
    found = split_examples(many(5000), ("test", "validation"))

    assert list(found) == ["train", "test", "validation"]
    assert 400 < len(found["test"]) < 600
    assert 400 < len(found["validation"]) < 600


def test_a_split_keeps_the_order() -> None:
    """Rows come as they stand in the file."""
    for rows in split_examples(many(500), ("test", "validation")).values():
        numbers = [int(row.prompt.split()[1]) for row in rows]
        assert all(left < right for left, right in pairwise(numbers))


def test_rows_that_are_added_move_no_other() -> None:
    """What was tested on yesterday is not learnt today."""
    before = split_examples(many(400), ("test", "validation"))
    after = split_examples(many(900), ("test", "validation"))

    assert all(set(before[part]) <= set(after[part]) for part in before)


def test_a_small_file_has_rows_on_each_side() -> None:
    """Five at least, where chance would give none."""
    for count in range(30, 60):
        examples = [Example(f"{count} {n}", "yes") for n in range(count)]
        found = split_examples(examples, ("test", "validation"))
        assert min(len(found["test"]), len(found["validation"])) >= 5
        assert len(found["train"]) > count / 2


def test_what_is_tested_elsewhere_is_not_learnt() -> None:
    """A row goes if its prompt or its group is held out; rows without a group share none."""
    own = [Example("a", "1"), Example("b", "1", "g"), Example("C ", "1"), Example("d", "1")]

    kept = without_held_out(own, [Example("x", "1"), Example("y", "1", "g"), Example("c", "2")])

    assert [example.prompt for example in kept] == ["a", "d"]
