"""The default niches: what a niche is, and what each one's rows are like on the public data."""

import json
import os
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from deployments.models.adapters import load_adapter
from lab.specialists.niche import Example, Niche
from lab.specialists.registry import NICHES
from router.grading.registry import GRADERS
from tests.grammars import follows

SPLITS = ("train", "validation", "test")

ROWS = {
    "sql": (52837, 7965, 7469),
    "tools": (13114, 665, 350),
    "math": (5306, 431, 384),
    "biomed": (8662, 449, 2399),
    "support": (9484, 514, 1540),
}
"""Of each split: the files are checked by their sums, so these change only with the niches."""


@pytest.mark.parametrize("graders", [("vibes",), ("text", "vibes"), ()])
def test_an_unknown_grader_is_refused_with_the_known(graders: tuple[str, ...]) -> None:
    """A niche without a grader that exists cannot be made."""
    with pytest.raises(ValueError, match=r"'toy'.*json.*sql"):
        Niche("toy", "Do it.", (), graders, 8, lambda split, data_dir: iter(()))


def test_the_first_grader_is_the_measure() -> None:
    """Others measure beside it."""
    niche = Niche("toy", "Do it.", (), ("text", "json"), 8, lambda split, data_dir: iter(()))

    assert niche.grade("YES", Example("?", "yes").reference).hits == 1


def test_an_example_is_completed_with_what_is_added_to_its_answer() -> None:
    """As its reader gets it; an answer that is whole already stays as it is."""
    math = NICHES["math"]

    assert math.completed(Example("?", "7 - 2 =")).answer == "7 - 2 = 5"
    assert math.completed(Example("?", "7 - 2 = 5")).answer == "7 - 2 = 5"


def test_without_a_completion_nothing_is_added() -> None:
    """Answers are the model's alone."""
    assert NICHES["sql"].complete("2 + 2 =") == ""


@pytest.mark.parametrize("name", sorted(NICHES))
def test_the_shipped_card_has_the_niches_grammar(name: str) -> None:
    """What a new training would write, and what every engine can read."""
    assert load_adapter(name).grammar == NICHES[name].grammar


@pytest.fixture(scope="module")
def data_dir() -> Path:
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    return Path(where)


@pytest.fixture(scope="module", params=sorted(NICHES))
def niche(request: pytest.FixtureRequest) -> Niche:
    return NICHES[request.param]


@pytest.fixture(scope="module")
def examples(niche: Niche, data_dir: Path) -> dict[str, list[Example]]:
    return {split: list(niche.examples(split, data_dir)) for split in SPLITS}


@pytest.mark.data
def test_every_split_has_its_rows(niche: Niche, examples: dict[str, list[Example]]) -> None:
    """No row is lost or made when the code around them changes."""
    assert tuple(len(examples[split]) for split in SPLITS) == ROWS[niche.name]


@pytest.mark.data
def test_rows_are_whole(examples: dict[str, list[Example]]) -> None:
    """No prompt or answer is empty."""
    for split in SPLITS:
        assert all(row.prompt.strip() and row.answer.strip() for row in examples[split])


@pytest.mark.data
def test_every_test_row_is_graded_right_by_its_own_answer(
    niche: Niche, examples: dict[str, list[Example]], data_dir: Path
) -> None:
    """Each of the niche's graders, on all of its test sets; running is tried on a sample."""
    others = [row for rows in niche.other_tests.values() for row in rows(data_dir)]
    for name in niche.graders:
        rows = [*examples["test"], *others]
        for row in rows[::20] if name == "sql_execution" else rows:
            assert GRADERS[name](row.answer, row.reference).quality == 1, row


@pytest.mark.data
@pytest.mark.parametrize("held_out", ["validation", "test"])
def test_training_sees_nothing_that_is_held_out(
    niche: Niche, examples: dict[str, list[Example]], held_out: str
) -> None:
    """No text, and for `sql` no table, is on both sides."""

    def keys(split: str) -> set[str]:
        rows = examples[split]
        return {row.group if niche.name == "sql" else row.prompt.lower() for row in rows}

    assert not keys("train") & keys(held_out)


@pytest.mark.data
def test_no_masked_test_problem_trains_math(data_dir: Path) -> None:
    """A problem of the test with other numbers is held out too; so are those of SVAMP."""
    math = NICHES["math"]

    def masked(rows: Iterable[Example]) -> set[str]:
        return {" ".join(re.findall(r"[a-z]+", row.prompt.lower())) for row in rows}

    held_out = [*math.examples("test", data_dir), *math.other_tests["svamp"](data_dir)]
    learnt = [*math.examples("train", data_dir), *math.examples("validation", data_dir)]
    assert not masked(held_out) & masked(learnt)


@pytest.mark.data
def test_every_query_of_the_test_runs(data_dir: Path) -> None:
    """Each on a table of its own schema."""
    for row in NICHES["sql"].examples("test", data_dir):
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute(row.schema)
            database.execute(row.answer)


@pytest.mark.data
@pytest.mark.parametrize("split", SPLITS)
def test_every_mention_stands_in_its_sentence(data_dir: Path, split: str) -> None:
    """`biomed` asks for nothing that cannot be found, letter for letter."""
    for row in NICHES["biomed"].examples(split, data_dir):
        for found in json.loads(row.answer).values():
            assert all(mention in row.prompt for mention in found), row


@pytest.mark.data
def test_the_intents_of_training_and_test_are_the_same(data_dir: Path) -> None:
    """`support` knows 77 of them, and tests each."""
    learnt, tested = (
        {row.answer for row in NICHES["support"].examples(split, data_dir)}
        for split in ("train", "test")
    )

    assert learnt == tested
    assert len(tested) == 77


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name, niche in NICHES.items() if niche.grammar])
def test_every_training_answer_follows_the_grammar(name: str, data_dir: Path) -> None:
    """A few copy what their question lacks: a letter in another case, a blank at its end."""
    grammar, rows = str(NICHES[name].grammar), [*NICHES[name].examples("train", data_dir)][::10]
    copied = [row for row in rows if follows(grammar, row.answer, row.prompt)]

    assert all(follows(grammar, row.answer, f"{row.prompt}\n{row.answer}") for row in rows)
    assert len(copied) >= 0.997 * len(rows)


@pytest.mark.data
def test_equations_come_to_their_result(data_dir: Path) -> None:
    """`math` leaves every training answer open, and the calculator can close it."""
    for row in NICHES["math"].examples("train", data_dir):
        assert row.answer.endswith("=")
        assert NICHES["math"].complete(row.answer), row
