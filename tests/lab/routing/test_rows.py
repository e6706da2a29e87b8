"""Splits: nothing stands on two sides."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.protocol import Message
from lab.routing.dataset import LabelledQuery
from lab.routing.rows import SPLITS, Row, fingerprint, separate, wording
from router.errors import TrainingError
from router.types import Query
from tests.router.fakes import HashingEncoder


def split(rows, near_duplicate=1.01):
    vectors = HashingEncoder().encode([row.text for row in rows]).vectors
    return separate(rows, vectors, near_duplicate)


def test_rows_go_where_they_say():
    """A row with a split of its own goes there."""
    rows = [Row(f"text number {name}", "sql", name, name) for name in SPLITS]
    found = split(rows)
    assert [getattr(found, name).tolist() for name in SPLITS] == [[0], [1], [2], [3], [4]]


def test_a_group_stands_on_the_measured_side():
    """A training row whose group is also tested is dropped and counted."""
    found = split([Row("one", "sql", "g", "train"), Row("two", "sql", "g", "test")])
    assert (found.train.tolist(), found.test.tolist(), found.dropped) == ([], [1], 1)


def test_the_same_wording_counts_as_the_same_text():
    """Case and punctuation do not hide a leak."""
    found = split([Row("Play it!", "tools", "a", "train"), Row("play  it", "tools", "b", "test")])
    assert (found.train.tolist(), found.test.tolist()) == ([], [1])


def test_near_duplicates_are_dropped_by_their_vectors():
    """A training row almost like a test row is dropped; one that is less alike stays."""
    rows = [
        Row("play the song again now", "tools", "a", "train"),
        Row("select rows from some table", "sql", "b", "train"),
        Row("play the song again", "tools", "c", "test"),
    ]
    assert split(rows, near_duplicate=0.85).train.tolist() == [1]


def test_repeated_texts_are_kept_once():
    """A text that comes twice in a split counts once."""
    found = split([Row("hello", "general", g, "train") for g in "ab"])
    assert (found.train.tolist(), found.dropped) == ([0], 1)


def below(system, text, domain, split):
    turns = [Message("system", system)] if system else []
    return LabelledQuery(Query((*turns, Message("user", text))), domain, wording(text), split)


def test_a_text_below_several_system_prompts_is_several_prompts():
    """They teach to read the task; one that comes again with the same system prompt counts once."""
    found = split(
        [
            below("Translate the user's text.", "my parcel is late", "translate", None),
            below("", "my parcel is late", "support", None),
            below("Summarise the text.", "my parcel is late", "general", None),
            below("Summarise the text!", "My parcel is late.", "general", None),
        ]
    )
    assert [len(getattr(found, name)) for name in SPLITS if len(getattr(found, name))] == [3]
    assert found.dropped == 1


def test_a_text_below_several_system_prompts_stands_on_one_side():
    """That of the measured one, whatever the system prompts."""
    found = split(
        [
            below("Translate the user's text.", "my parcel is late", "translate", "train"),
            below("", "my parcel is late", "support", "test"),
        ]
    )
    assert (found.train.tolist(), found.test.tolist()) == ([], [1])


def test_a_message_alone_is_the_same_as_its_text():
    """Rows may give either."""
    rows = [Row("hello", "general", "a", "train"), below("", "hello", "general", "train")]
    assert split(rows).train.tolist() == [0]


def test_an_unknown_split_is_an_error():
    """The error names the row, its split and the allowed ones."""
    with pytest.raises(TrainingError, match=r"'dev'.*train"):
        split([Row("x", "sql", "g", "dev")])


def test_the_fingerprint_depends_on_content_and_not_on_order():
    """The same rows have the same fingerprint; another label has another."""
    a, b = Row("x", "sql", "1"), Row("y", "sql", "2")
    assert fingerprint([a, b]) == fingerprint([b, a])
    assert fingerprint([a]) != fingerprint([Row("x", "tools", "1")])


words = st.sampled_from(["play", "Play!", "song", "select", "rows"])
rows_with_clashes = st.lists(
    st.builds(
        Row,
        text=st.lists(words, min_size=1, max_size=3).map(" ".join),
        domain=st.just("sql"),
        group=st.sampled_from("abcdef"),
        split=st.sampled_from([None, *SPLITS]),
    ),
    min_size=1,
    max_size=25,
)


@given(rows_with_clashes)
def test_no_two_splits_share_a_group_or_a_near_duplicate(rows):
    """Whatever the rows, the splits are disjoint, and all rows are kept or counted."""
    vectors = HashingEncoder().encode([row.text for row in rows]).vectors
    found = separate(rows, vectors, 0.9)
    parts = [getattr(found, name) for name in SPLITS]
    assert sum(map(len, parts)) + found.dropped == len(rows)
    for one, other in combinations(parts, 2):
        assert not {rows[i].group for i in one} & {rows[i].group for i in other}
        if len(one) and len(other):
            assert np.max(vectors[one] @ vectors[other].T) < 0.9
