"""Answers: what a loop is, and a file that is used again only where nothing changed."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.protocol import Message
from lab.specialists.evaluation.answers import (
    AnswerFile,
    GeneratedAnswer,
    degeneration,
    loops,
    prompt_key,
)

ONE = GeneratedAnswer("yes", 5, 1, cut=False, loops=False, seconds=0.25)
TWO = GeneratedAnswer("nö", 6, 2, cut=True, loops=False, seconds=0.5)
IDENTITY = {"adapter": None, "dtype": "float32"}


def chat(*contents: str) -> tuple[Message, ...]:
    return tuple(Message("user", content) for content in contents)


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    """Over several writes and in another process."""
    file = AnswerFile(tmp_path / "new" / "a.jsonl", IDENTITY)
    file.append({"k1": ONE})
    file.append({"k2": TWO})

    assert AnswerFile(tmp_path / "new" / "a.jsonl", IDENTITY).read() == {"k1": ONE, "k2": TWO}


def test_no_file_holds_no_answer(tmp_path: Path) -> None:
    """And reading makes none."""
    assert AnswerFile(tmp_path / "a.jsonl", IDENTITY).read() == {}
    assert list(tmp_path.iterdir()) == []


def test_answers_of_another_adapter_are_set_aside_and_the_difference_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are neither used nor lost."""
    path = tmp_path / "a.jsonl"
    AnswerFile(path, IDENTITY).append({"k1": ONE})

    stale = AnswerFile(path, IDENTITY | {"adapter": "ab12"}).read()

    assert stale == {}
    assert "(adapter)" in capsys.readouterr().out
    assert not path.exists()
    assert (tmp_path / "a.old.jsonl").is_file()


@pytest.mark.parametrize("content", ["", "\n", "3\n", "{\n", "[]\n"])
def test_a_file_without_a_header_is_set_aside(tmp_path: Path, content: str) -> None:
    """Whatever it holds, it says not whose answers they are."""
    path = tmp_path / "a.jsonl"
    path.write_text(content)

    assert AnswerFile(path, IDENTITY).read() == {}
    assert (tmp_path / "a.old.jsonl").read_text() == content


def test_a_line_that_was_cut_is_dropped_and_its_answer_asked_for_again(tmp_path: Path) -> None:
    """A kill while writing costs one batch, not the file."""
    path = tmp_path / "a.jsonl"
    AnswerFile(path, IDENTITY).append({"k1": ONE, "k2": TWO})
    path.write_text(path.read_text()[:-20])

    file = AnswerFile(path, IDENTITY)
    assert file.read() == {"k1": ONE}
    file.append({"k2": TWO})
    assert file.read() == {"k1": ONE, "k2": TWO}


def test_the_key_is_of_all_turns_and_their_roles() -> None:
    """Another example in the prompt, or another system message, is another question."""
    asked = [
        chat("a"),
        chat("a", "b"),
        chat("ab"),
        (Message("system", "a"),),
        (Message("system", "a"), *chat("b")),
    ]

    assert len({prompt_key(of) for of in asked}) == len(asked)
    assert prompt_key(chat("a", "b")) == prompt_key(list(chat("a", "b")))


TOKENS = st.integers(min_value=0, max_value=50)


@given(
    st.lists(TOKENS, max_size=30),
    st.lists(TOKENS, min_size=1, max_size=20),
    st.integers(min_value=4, max_value=9),
    st.integers(min_value=0, max_value=19),
)
def test_four_repetitions_of_up_to_twenty_tokens_are_a_loop_wherever_they_are_cut(
    before: list[int], repeated: list[int], times: int, more: int
) -> None:
    """What stands before does not matter, nor does a last repetition that is not whole."""
    times = max(times, 12)  # of a single token, twelve are needed

    assert loops([*before, *repeated * times, *repeated[: more % len(repeated)]])


@given(st.permutations(range(60)))
def test_tokens_that_all_differ_are_no_loop(tokens: list[int]) -> None:
    """Without a repetition there is none."""
    assert not loops(tokens)


@given(st.lists(TOKENS, max_size=11))
def test_fewer_than_twelve_tokens_are_no_loop(tokens: list[int]) -> None:
    """A short answer may say a thing four times."""
    assert not loops(tokens)


def test_three_repetitions_are_no_loop() -> None:
    """Lists and tables repeat a little."""
    assert not loops([1, 2, 3, 4, 5] * 3)


def test_a_loop_that_the_answer_left_is_none() -> None:
    """What counts is the end."""
    assert not loops([*[7] * 30, 1, 2, 3])


def test_a_longer_period_than_twenty_is_not_looked_for() -> None:
    """Whole paragraphs that come again need a longer answer than the limits allow."""
    assert not loops([*range(21)] * 4)
    assert loops([*range(20)] * 4)


def answer(tokens: int, *, cut: bool = False, looping: bool = False) -> GeneratedAnswer:
    return GeneratedAnswer("", 1, tokens, cut, looping, 0.0)


def test_the_rates_are_shares_of_all_answers() -> None:
    """Looping, cut, and the mean length."""
    found = degeneration(
        [answer(10, cut=True, looping=True), answer(4), answer(10, cut=True), answer(0)]
    )

    assert (found.answers, found.looping, found.cut, found.mean_tokens) == (4, 0.25, 0.5, 6.0)


def test_no_answers_have_no_rates() -> None:
    """Nothing was asked, so nothing is claimed."""
    found = degeneration([])

    assert found.answers == 0
    assert all(map(math.isnan, (found.looping, found.cut, found.mean_tokens)))
