"""Changes that leave the meaning alone."""

import difflib
import re

import pytest

from lab.benchmarks.perturb import PERTURBATIONS

PROMPTS = (
    "play some jazz by Miles Davis",
    "What is the population of France? I do not know it.",
    "Columns: home team, score\nQuestion: What's the score of Fulham?",
    "write a short poem about the sea, with a title of three words and four lines",
)
BY_NAME = {perturbation.name: perturbation for perturbation in PERTURBATIONS}
SLIPS = ("letters swapped", "letter dropped", "letter doubled", "neighbouring key")


def every(text):
    return {name: change.apply(text) for name, change in BY_NAME.items()}


def edits(before, after):
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return sum(max(b - a, d - c) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal")


def test_names_are_distinct_and_families_two():
    """Figures are shown per name and per family."""
    assert len(BY_NAME) == len(PERTURBATIONS)
    assert {change.family for change in PERTURBATIONS} == {"typo", "paraphrase"}


@pytest.mark.parametrize("text", PROMPTS)
def test_the_same_text_is_always_changed_alike(text):
    """A figure can be measured again."""
    assert every(text) == every(text)


@pytest.mark.parametrize("name", SLIPS)
def test_a_short_text_gets_one_slip_and_a_longer_one_two(name):
    """One letter, or two neighbours, at each place."""
    change = BY_NAME[name]
    short = {edits(PROMPTS[0], change.apply(PROMPTS[0], seed)) for seed in range(30)}
    long = {edits(PROMPTS[3], change.apply(PROMPTS[3], seed)) for seed in range(30)}
    each = {1, 2} if name == "letters swapped" else {1}
    assert short <= each | {0}
    assert max(short) >= 1
    assert max(long) >= 2
    assert max(long) <= 2 * max(each)


@pytest.mark.parametrize("name", SLIPS)
def test_words_begin_as_they_did(name):
    """People rarely miss the first letter; short words and numbers stay whole."""
    for seed in range(30):
        before, after = PROMPTS[3].split(), BY_NAME[name].apply(PROMPTS[3], seed).split()
        assert [word[0] for word in before] == [word[0] for word in after]
        assert [w for w in before if len(w) < 4] == [
            new for new, old in zip(after, before, strict=True) if len(old) < 4
        ]


def test_a_text_without_words_is_left_alone_by_slips():
    """There is nothing to miss in it."""
    assert {BY_NAME[name].apply("1 + 1 = ?") for name in SLIPS} == {"1 + 1 = ?"}


@pytest.mark.parametrize("text", PROMPTS)
def test_courtesy_and_frames_keep_every_word(text):
    """What is added stands around what was asked."""
    words = re.findall(r"\w+", text)
    for name in ("please", "greeting", "thanks", "frame"):
        after = iter(re.findall(r"\w+", BY_NAME[name].apply(text)))
        assert all(word in after for word in words), name


@pytest.mark.parametrize("text", PROMPTS)
def test_case_punctuation_and_space_keep_every_letter(text):
    """Only what is neither letter nor digit changes, or its case."""
    letters = re.sub(r"[\W_]", "", text).lower()
    kept = ("lower case", "upper case", "no punctuation", "other punctuation", "white space")
    for name in kept:
        assert re.sub(r"[\W_]", "", BY_NAME[name].apply(text)).lower() == letters, name


def test_contractions_are_made_or_else_undone():
    """Both ways, and the first letter keeps its case."""
    change = BY_NAME["contractions"]
    assert change.apply("What is this? I am lost.") == "What's this? I'm lost."
    assert change.apply("What's this? I'm lost.") == "What is this? I am lost."
    assert change.apply("play some jazz") == "play some jazz"
