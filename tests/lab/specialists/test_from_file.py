"""A niche from a file: split, graded by what fits, and refused before anything is trained."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from lab.datasets.manifest import DatasetError
from lab.specialists.from_file import LoadedNiche, NicheFile, niche_from_file

UNUSED = Path("unused")


def rows(count: int = 60, **changes: str) -> list[dict[str, str]]:
    answers = ("no", "yes")
    return [{"prompt": f"say {n}", "answer": answers[n % 2]} | changes for n in range(count)]


def written(path: Path, found: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


def niche(tmp_path: Path, found: list[dict[str, Any]], **options: Any) -> LoadedNiche:
    path = written(tmp_path / "train.jsonl", found)
    return niche_from_file("odd-even_2", NicheFile(path, **options), len)


def refusal(tmp_path: Path, found: list[dict[str, Any]], **options: Any) -> str:
    with pytest.raises(DatasetError) as refused:
        niche(tmp_path, found, **options)
    return str(refused.value)


def test_a_niche_has_the_files_rows(tmp_path: Path) -> None:
    """Every row is on one of three sides, and the niche reads them without a data directory."""
    own = niche(tmp_path, rows())

    found = [list(own.niche.examples(part, UNUSED)) for part in ("train", "validation", "test")]
    assert sorted(row.prompt for part in found for row in part) == sorted(
        row["prompt"] for row in rows()
    )
    assert all(found)
    assert own.notes == ()


def test_what_is_not_said_follows_from_the_file(tmp_path: Path) -> None:
    """The prompt is made of the name; answers may be somewhat longer than the longest."""
    own = niche(tmp_path, rows(answer="twelve chars"))

    assert own.niche.system_prompt == "Task: odd even 2."
    assert own.niche.graders == ("text",)
    assert own.niche.max_answer_tokens == 12 + 3 + 8


def test_what_is_said_counts(tmp_path: Path) -> None:
    """Options go before what follows from the file."""
    own = niche(
        tmp_path,
        rows(answer="7"),
        system_prompt="Count.",
        grader="number",
        max_answer_tokens=4,
        licence="MIT",
    )

    assert own.niche.system_prompt == "Count."
    assert own.niche.graders == ("number",)
    assert own.niche.max_answer_tokens == 4
    assert own.niche.own_data[0].licence == "MIT"


@pytest.mark.parametrize(
    ("answers", "grader"),
    [
        pytest.param(['{"a": 1}', "[]"], "json", id="objects and lists"),
        pytest.param(['{"a": 1}', "yes"], "text", id="one is no JSON"),
        pytest.param(["1", "true"], "text", id="numbers are text"),
        pytest.param(["[" * 100_000, "[]"], "text", id="too deep to be JSON"),
    ],
)
def test_the_grader_fits_the_answers(tmp_path: Path, answers: list[str], grader: str) -> None:
    """JSON is compared as values where every answer is an object or a list."""
    found = [row | {"answer": answers[n % 2]} for n, row in enumerate(rows())]

    assert niche(tmp_path, found).niche.graders == (grader,)


def test_the_data_is_known_by_its_checksum(tmp_path: Path) -> None:
    """A run is of these rows alone, and a model card can say which; no path is told."""
    own = niche(tmp_path, rows())

    (source,) = own.niche.sources
    assert source.path == "train.jsonl"
    assert source.source == "own file train.jsonl"
    content = (tmp_path / "train.jsonl").read_bytes()
    assert source.sha256 == hashlib.sha256(content).hexdigest()


def test_a_test_file_is_the_test_and_nothing_of_it_is_learnt(tmp_path: Path) -> None:
    """Rows of the other file that share a prompt with it are left out, and that is said."""
    test = written(tmp_path / "test.jsonl", [*rows(5), {"prompt": "new", "answer": "no"}])

    own = niche(tmp_path, rows(), test_data=test)

    assert [row.prompt for row in own.rows["test"]] == [*(f"say {n}" for n in range(5)), "new"]
    assert len(own.rows["train"]) + len(own.rows["validation"]) == 55
    (note,) = own.notes
    assert re.search(r"train\.jsonl .*test\.jsonl: 5$", note)


def test_contradictions_are_counted_and_shown(tmp_path: Path) -> None:
    """One prompt with several answers is no fault, but worth knowing."""
    found = rows() + [row | {"answer": "perhaps"} for row in rows(4)] + rows(8)

    (note,) = niche(tmp_path, found).notes

    assert note.startswith(
        "prompts that have several different answers: 4, such as "
        "train.jsonl, row 1 and train.jsonl, row 61; train.jsonl, row 2 and train.jsonl, row 62; "
    )


def test_a_class_that_is_tested_and_never_learnt_is_shown(tmp_path: Path) -> None:
    """Where answers are classes, one without training rows will never be given."""
    test = written(tmp_path / "test.jsonl", [{"prompt": "new", "answer": "perhaps"}])

    (note,) = niche(tmp_path, rows(), test_data=test).notes

    assert re.search(r"\b1, .*'perhaps' \(test\.jsonl, row 1\)", note)


def test_answers_that_are_no_classes_need_not_be_learnt(tmp_path: Path) -> None:
    """Where every answer is another, that of a test row is new."""
    found = [row | {"answer": row["prompt"]} for row in rows()]

    assert niche(tmp_path, found).notes == ()


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    """The number, and how many would do."""
    said = refusal(tmp_path, rows(29))

    assert re.search(r"train\.jsonl: 29 rows .*at least 30\b", said)
    assert niche(tmp_path, rows(30)).rows["train"]


def test_a_test_file_that_leaves_too_few_is_refused(tmp_path: Path) -> None:
    """Rows that are left out do not count."""
    test = written(tmp_path / "test.jsonl", rows(20))

    assert "29 rows" in refusal(tmp_path, rows(49), test_data=test)
    assert niche(tmp_path, rows(50), test_data=test).rows["train"]


@pytest.mark.parametrize(
    "groups",
    [
        pytest.param(["one"], id="one group"),
        pytest.param(["one", "two"], id="two groups, for three sides"),
    ],
)
def test_rows_of_too_few_groups_are_refused(tmp_path: Path, groups: list[str]) -> None:
    """An empty side is found before training; the counts are shown."""
    found = [row | {"group": groups[n % len(groups)]} for n, row in enumerate(rows())]

    said = refusal(tmp_path, found)

    assert re.search(r"train\.jsonl: .*\bgroup\b.*train 0\b.*more groups", said)


def test_an_unknown_grader_lists_the_known(tmp_path: Path) -> None:
    """The error names what there is."""
    assert refusal(tmp_path, rows(), grader="vibes").startswith(
        "no grader 'vibes'; known: arguments, calls, choice, entities, json, "
    )


@pytest.mark.parametrize(
    ("grader", "answer", "reason"),
    [
        ("json", "yes", "it grades it as wrong"),
        ("number", "yes", "the reference 'yes' has no number"),
        ("choice", "yes", "it grades it as wrong"),
        ("sql_execution", "SELECT 1", "execution needs the table's schema"),
    ],
)
def test_an_answer_that_its_grader_cannot_use_is_refused(
    tmp_path: Path, grader: str, answer: str, reason: str
) -> None:
    """By such a row nothing could be measured: hours of training would end in an error."""
    said = refusal(tmp_path, rows(answer=answer), grader=grader).splitlines()

    assert said[0].startswith(
        f"train.jsonl, row 1: the grader '{grader}' cannot use the answer '{answer}' ({reason}"
    )
    assert said[-1] == "and 40 more"


def test_a_grader_that_finds_nothing_is_refused(tmp_path: Path) -> None:
    """Lists without an item in any row are nothing to learn."""
    said = refusal(tmp_path, rows(answer='{"names": []}'), grader="entities")

    assert "'entities'" in said
    assert "another grader" in said


def test_a_list_may_be_empty_in_a_row(tmp_path: Path) -> None:
    """A sentence without a name in it is an example too."""
    found = rows(answer='{"names": []}') + rows(1, answer='{"names": ["Ada"]}')

    assert niche(tmp_path, found, grader="entities").niche.graders == ("entities",)
