"""The text that is classified: whole if it is short, else its ends and the request in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.request_text import (
    BUCKETS,
    SegmentScorer,
    buckets,
    is_shortened,
    request_text,
    segments,
    shortened,
)

NEUTRAL = SegmentScorer.neutral()
MOST_USER = next(n for n in range(5000) if is_shortened("", "x" * (n + 1)))
MOST_SYSTEM = next(n for n in range(5000) if is_shortened("x" * (n + 1), ""))
MOST_READ, MOST_SEGMENTS = 200_000, 4000
QUESTION = "How many singers are from France?"
FILLER = "The committee met on Tuesday. Nothing was decided about the roof of the old barn."


def scorer_of(*words):
    """Takes segments with these words for requests."""
    weights = np.zeros(BUCKETS, np.float32)
    weights[buckets(" ".join(words))] = 1.0
    return SegmentScorer(weights)


class Counting:
    """A scorer that counts the characters that it is shown."""

    def __init__(self):
        self.characters = 0

    def score(self, segment):
        self.characters += len(segment)
        return 0.0


def kept(text, most, scorer=NEUTRAL):
    """Characters that are kept, without the line ends that join them: these are no tokens."""
    return len(shortened(text, most, scorer).replace("\n", ""))


@given(st.text(max_size=MOST_USER), st.text(max_size=MOST_SYSTEM))
def test_short_texts_are_untouched(user, system):
    """Only white space around them goes; the system prompt stands above the user's words."""
    found = request_text(system, user, NEUTRAL)
    said, above = user.strip(), system.strip()
    assert found == (f"System: {above}\nUser: {said}" if above else said)
    assert not is_shortened(system, user)


@pytest.mark.parametrize("length", [MOST_USER, MOST_USER + 1])
def test_a_text_beyond_the_bound_is_shortened(length):
    """One character more, and a part is left out; both agree on where that is."""
    text = ("word " * length)[: length - 1] + "."
    assert is_shortened("", text) == (length > MOST_USER)
    assert (request_text("", text, NEUTRAL) == text) == (length <= MOST_USER)


def test_white_space_around_a_text_does_not_count():
    """A text is not long because of the lines below it."""
    padded = f"{QUESTION}{' ' * MOST_USER}"
    assert request_text("", padded, NEUTRAL) == QUESTION
    assert not is_shortened("", padded)


LINES = st.lists(
    st.one_of(
        st.text(max_size=300), st.sampled_from(["", FILLER, QUESTION, "x" * 500, "🙂" * 300])
    ),
    max_size=40,
)


@given(LINES, st.sampled_from([MOST_SYSTEM, MOST_USER]), st.sampled_from([0, 1]))
def test_what_is_kept_is_never_longer_than_the_bound(lines, most, weight):
    """Whatever the text and the scorer; and each kept line is a part of the text."""
    text = "\n".join(lines).strip()
    scorer = scorer_of("singers", "France") if weight else NEUTRAL
    assert kept(text, most, scorer) <= most
    assert all(part in text for part in shortened(text, most, scorer).split("\n"))


@given(LINES)
def test_the_same_text_is_always_shortened_alike(lines):
    """Nothing is drawn."""
    text = "\n".join(lines)
    assert shortened(text, MOST_SYSTEM, NEUTRAL) == shortened(text, MOST_SYSTEM, NEUTRAL)


def test_beginning_and_end_are_kept():
    """In their order, whatever the scorer prefers."""
    text = "\n".join(["First line here.", *[FILLER] * 30, "Last line here."])
    found = shortened(text, MOST_USER, scorer_of("committee"))
    assert found.startswith("First line here.")
    assert found.endswith("Last line here.")


@pytest.mark.parametrize("between", ["\n\n", "\n", " "], ids=["paragraphs", "lines", "sentences"])
def test_a_question_in_the_middle_is_kept(between):
    """The segment that reads most like a request survives, and a neutral scorer loses it."""
    text = between.join([*[FILLER] * 20, QUESTION, *[FILLER] * 20])
    assert QUESTION in shortened(text, MOST_USER, scorer_of("how", "many", "singers", "?"))
    assert QUESTION not in shortened(text, MOST_USER, NEUTRAL)


def test_what_belongs_to_the_question_is_kept_with_it():
    """Lines of its paragraph, such as the columns above it, come before others."""
    asked = f"Columns: name, country, age\n{QUESTION}"
    text = "\n\n".join([*[FILLER] * 20, asked, *[FILLER] * 20])
    assert asked in shortened(text, MOST_USER, scorer_of("how", "many", "singers", "?"))


HUGE = {
    "one line without spaces": "x" * 1_000_000,
    "one line of words": "word " * 200_000,
    "one line of sentences": "Word. " * 200_000,
    "emoji": "🙂" * 1_000_000,
    "emoji of several parts": "👩\u200d👩\u200d👧 " * 150_000,
    "line ends and spaces": "\n " * 500_000 + "x",
    "short lines": "x\n" * 500_000,
    "lone surrogates": "\ud800 a\n" * 250_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_of_a_megabyte_a_bounded_part_is_read(text):
    """Segments and the characters that are scored are bounded, and so is what is kept."""
    scorer = Counting()
    assert len(shortened(text.strip(), MOST_USER, scorer).replace("\n", "")) <= MOST_USER
    assert scorer.characters <= MOST_READ
    assert len(segments(text)) <= MOST_SEGMENTS
    assert max(len(part.text) for part in segments(text)) < MOST_USER


def test_of_a_megabyte_both_ends_are_read():
    """A question near its end is found, though the middle is not looked at."""
    text = f"{FILLER}\n" * 15_000 + f"{QUESTION}\n" + f"{FILLER}\n" * 30
    assert QUESTION in shortened(text, MOST_USER, scorer_of("how", "many", "singers", "?"))


def test_segments_are_lines_and_the_sentences_of_long_lines():
    """Each knows its paragraph; white space around it goes."""
    long = f"{'Many words stand here. ' * 6}Is this the end?"
    found = segments(f"a line\n  another  \n \n{long}")
    assert [(part.text, part.paragraph) for part in found] == [
        ("a line", 0),
        ("another", 0),
        *[("Many words stand here.", 1)] * 6,
        ("Is this the end?", 1),
    ]


def test_a_text_of_white_space_is_one_segment():
    """There is always something to keep."""
    assert [part.text for part in segments(" \n\n ")] == [" \n\n "]


@pytest.mark.parametrize("segment", ["", " ", "🙂", "\ud800", "---"])
def test_a_segment_without_words_is_the_last_choice(segment):
    """It has no bucket, and no segment with words scores lower."""
    assert buckets(segment) == []
    assert NEUTRAL.score(segment) == -np.inf


@given(st.text(max_size=500))
def test_buckets_are_places_among_the_weights(segment):
    """Any text has them, and its score is a number or minus infinity."""
    found = buckets(segment)
    assert all(0 <= bucket < BUCKETS for bucket in found)
    assert np.isfinite(NEUTRAL.score(segment)) == bool(found)


def test_case_does_not_matter_and_the_first_word_counts_apart():
    """So that an opening such as "how" weighs more where a request begins."""
    assert buckets("How many") == buckets("how MANY")
    assert set(buckets("how many")) != set(buckets("many how"))


@pytest.mark.parametrize(
    "weights",
    [np.zeros(3, np.float32), np.full(BUCKETS, np.nan, np.float32)],
    ids=["another shape", "not finite"],
)
def test_weights_of_no_use_are_refused(weights):
    """A scorer has one finite weight per bucket."""
    with pytest.raises(ValueError, match=f"{BUCKETS}"):
        SegmentScorer(weights)
