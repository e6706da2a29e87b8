"""Answers on disk: used again where nothing changed, and only there."""

from pathlib import Path

import pytest

from deployments.protocol import Message
from lab.specialists.evaluation.answers import Answer, AnswerFile, key

ONE, TWO = Answer("yes", 5, 1, False, False, 0.25), Answer("nö", 6, 2, True, False, 0.5)
IDENTITY = {"adapter": None, "dtype": "float32", "layers": [0, 1]}


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


def test_answers_of_another_adapter_are_set_aside_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are neither used nor lost."""
    path = tmp_path / "a.jsonl"
    AnswerFile(path, IDENTITY).append({"k1": ONE})

    stale = AnswerFile(path, IDENTITY | {"adapter": "ab12"}).read()

    assert stale == {}
    assert "a.jsonl: answers under other conditions (adapter), kept as" in capsys.readouterr().out
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

    assert len({key(of) for of in asked}) == len(asked)
    assert key(chat("a", "b")) == key(list(chat("a", "b")))
