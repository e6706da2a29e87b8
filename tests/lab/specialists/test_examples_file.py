"""Files of examples: what is read, and how what cannot be is told."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from lab.datasets.manifest import DatasetError
from lab.specialists.examples_file import read_examples
from lab.specialists.niche import Example

GOOD = {"prompt": "say a", "answer": "yes"}


def written(path: Path, *lines: Any) -> Path:
    """A line as it is, or a row as JSON."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def fault(tmp_path: Path, *lines: Any) -> list[str]:
    with pytest.raises(DatasetError) as refused:
        read_examples(written(tmp_path / "mine.jsonl", *lines))
    return str(refused.value).splitlines()


def test_a_row_becomes_an_example_that_knows_its_place(tmp_path: Path) -> None:
    """Fields are taken as they are; blank lines count as lines and are no rows."""
    whole = GOOD | {"group": "g", "schema": "CREATE TABLE t (a)"}

    (found,) = read_examples(written(tmp_path / "mine.jsonl", GOOD, "", whole))

    assert found == [Example("say a", "yes"), Example("say a", "yes", "g", "CREATE TABLE t (a)")]
    assert [example.origin for example in found] == ["mine.jsonl, row 1", "mine.jsonl, row 3"]


def test_an_optional_field_may_be_null(tmp_path: Path) -> None:
    """Programs write null where there is nothing."""
    (found,) = read_examples(written(tmp_path / "mine.jsonl", GOOD | {"group": None}))

    assert found == [Example("say a", "yes")]


def test_a_compressed_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    """What spreadsheets and archives make of a file is no fault of its rows."""
    path = tmp_path / "mine.jsonl.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(GOOD).encode()))

    assert read_examples(path) == [[Example("say a", "yes")]]


@pytest.mark.parametrize("answer", ['{"intent": ""}', '{"a": " ", "b": ""}', '""'])
def test_a_class_without_a_name_is_refused(tmp_path: Path, answer: str) -> None:
    """JSON around nothing is as empty as nothing."""
    (line,) = fault(tmp_path, GOOD, GOOD | {"answer": answer})

    assert line.startswith("mine.jsonl, row 2: the answer ")
    assert line.endswith("holds no text; fill it, or remove the row")


@pytest.mark.parametrize("answer", ['{"names": []}', "[]", "{}", '{"a": "", "b": "c"}', "0"])
def test_an_answer_that_says_that_there_is_nothing_is_right(tmp_path: Path, answer: str) -> None:
    """A sentence may mention nothing, and a call may have an empty argument."""
    (found,) = read_examples(written(tmp_path / "mine.jsonl", GOOD | {"answer": answer}))

    assert found[0].answer == answer


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("{not json", "not JSON: '{not json'; write one JSON obj", id="not JSON"),
        pytest.param("[1]", "not an object: [1]; write {", id="not an object"),
        pytest.param({"prompt": "a"}, "no answer; every row needs prompt and answer", id="half"),
        pytest.param({}, "no prompt and no answer; every row", id="nothing"),
        pytest.param(
            {"promt": "a", "answer": "b"},
            "unknown field 'promt'; did you mean 'prompt'? allowed: prompt, answer, group, schema",
            id="misspelt",
        ),
        pytest.param(GOOD | {"zzz": 1}, "unknown field 'zzz'; allowed: ", id="unknown"),
        pytest.param(GOOD | {"prompt": " \n"}, "the prompt is empty; fill it, or", id="no prompt"),
        pytest.param(GOOD | {"answer": ""}, "the answer is empty; fill it, or", id="no answer"),
        pytest.param(GOOD | {"answer": None}, "answer is None; it must be text", id="null"),
        pytest.param(GOOD | {"answer": 3}, "answer is 3; it must be text", id="a number"),
        pytest.param(
            GOOD | {"answer": {"a": 1}}, "answer is {'a': 1}; write that JSON as text", id="JSON"
        ),
        pytest.param(GOOD | {"group": 1}, "group is 1; it must be text", id="a number as group"),
        pytest.param(
            '{"prompt": "a", "answer": "\\ud800"}', "answer holds half a character", id="surrogate"
        ),
    ],
)
def test_a_faulty_row_is_named(tmp_path: Path, line: Any, message: str) -> None:
    """File and row stand first, then the value, then the remedy."""
    (said,) = fault(tmp_path, GOOD, line)

    assert said.startswith(f"mine.jsonl, row 2: {message}")


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    """The byte that is no UTF-8 is shown."""
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b'{"prompt": "caf\xe9", "answer": "b"}')

    with pytest.raises(DatasetError, match=r"mine\.jsonl, row 1: .*UTF-8.*0xe9"):
        read_examples(path)


def test_the_faults_of_all_files_are_told_together(tmp_path: Path) -> None:
    """Whoever mends one file need not come back for the next."""
    first = written(tmp_path / "a.jsonl", {}, GOOD, {})
    second = written(tmp_path / "b.jsonl", {})

    with pytest.raises(DatasetError) as refused:
        read_examples(first, second)

    places = [line.split(":")[0] for line in str(refused.value).splitlines()]
    assert places == ["a.jsonl, row 1", "a.jsonl, row 3", "b.jsonl, row 1"]


def test_of_very_many_faults_the_first_are_told(tmp_path: Path) -> None:
    """Twenty lines, and how many more there are."""
    said = fault(tmp_path, *[{}] * 1500)

    assert len(said) == 21
    assert said[19].startswith("mine.jsonl, row 20: ")
    assert said[20] == "and 1,480 more"


def test_an_absent_an_empty_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    """Each says which file, and what is wrong with it."""
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(b"{}" * 99)[:-5])

    for path, message in (
        (tmp_path / "absent.jsonl", "cannot be read: No such file"),
        (written(tmp_path / "empty.jsonl", ""), "holds no rows; write one JSON object a line"),
        (broken, "cannot be read: Compressed file ended"),
    ):
        with pytest.raises(DatasetError) as refused:
            read_examples(path)
        assert str(refused.value).startswith(f"{path}: {message}")
