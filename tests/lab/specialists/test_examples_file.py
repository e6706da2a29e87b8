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

    assert line.startswith(f"{tmp_path / 'mine.jsonl'}:2: the answer {answer!r} ")


@pytest.mark.parametrize("answer", ['{"names": []}', "[]", "{}", '{"a": "", "b": "c"}', "0"])
def test_an_answer_that_says_that_there_is_nothing_is_right(tmp_path: Path, answer: str) -> None:
    """A sentence may mention nothing, and a call may have an empty argument."""
    (found,) = read_examples(written(tmp_path / "mine.jsonl", GOOD | {"answer": answer}))

    assert found[0].answer == answer


@pytest.mark.parametrize(
    ("line", "named"),
    [
        pytest.param("{not json", "'{not json'", id="not JSON"),
        pytest.param("[1]", "[1]", id="not an object"),
        pytest.param({"prompt": "a"}, "answer", id="half"),
        pytest.param({}, "prompt", id="nothing"),
        pytest.param({"promt": "a", "answer": "b"}, "did you mean 'prompt'?", id="misspelt"),
        pytest.param(GOOD | {"zzz": 1}, "'zzz'", id="unknown"),
        pytest.param(GOOD | {"prompt": " \n"}, "prompt", id="no prompt"),
        pytest.param(GOOD | {"answer": ""}, "answer", id="no answer"),
        pytest.param(GOOD | {"answer": None}, "None", id="null"),
        pytest.param(GOOD | {"answer": 3}, "answer is 3", id="a number"),
        pytest.param(GOOD | {"answer": {"a": 1}}, "answer is {'a': 1}", id="JSON"),
        pytest.param(GOOD | {"group": 1}, "group is 1", id="a number as group"),
        pytest.param('{"prompt": "a", "answer": "\\ud800"}', "answer", id="surrogate"),
    ],
)
def test_a_faulty_row_is_named(tmp_path: Path, line: Any, named: str) -> None:
    """File and row stand first, then what is wrong."""
    (said,) = fault(tmp_path, GOOD, line)

    place, _, message = said.partition(": ")
    assert place == f"{tmp_path / 'mine.jsonl'}:2"
    assert named in message


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    """The byte that is no UTF-8 is shown."""
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b'{"prompt": "caf\xe9", "answer": "b"}')

    with pytest.raises(DatasetError, match=r"mine\.jsonl:1: .*0xe9"):
        read_examples(path)


def test_the_faults_of_all_files_are_told_together(tmp_path: Path) -> None:
    """Whoever mends one file need not come back for the next."""
    first = written(tmp_path / "a.jsonl", {}, GOOD, {})
    second = written(tmp_path / "b.jsonl", {})

    with pytest.raises(DatasetError) as refused:
        read_examples(first, second)

    places = [line.split(": ")[0] for line in str(refused.value).splitlines()]
    assert places == [f"{first}:1", f"{first}:3", f"{second}:1"]


def test_an_absent_an_empty_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    """The error names the file."""
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(b"{}" * 99)[:-5])

    for path in (tmp_path / "absent.jsonl", written(tmp_path / "empty.jsonl", ""), broken):
        with pytest.raises(DatasetError) as refused:
            read_examples(path)
        assert str(path) in str(refused.value)
