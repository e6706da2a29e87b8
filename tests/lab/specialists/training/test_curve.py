"""The learning curve on a tiny model: nested sizes, the same test, and nothing done twice."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.specialists.errors import RecipeError
from lab.specialists.niche import Example
from lab.specialists.recipe import TrainConfig
from lab.specialists.training.curve import Point, TrainedAdapter, learning_curve, write_curve
from lab.specialists.training.make import make_specialist
from lab.specialists.training.train import train
from lab.specialists.training.workspace import Workspace
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import make_niche

CONFIG = TrainConfig(rank=4, learning_rate=0.02, batch_size=4, epochs=8, threads=1)
RUNS = [replace(CONFIG, max_examples=2, epochs=1), replace(CONFIG, max_examples=20)]

Curve = Callable[..., list[Point]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def done(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[Point]]:
    """A curve of two sizes, and where it was made."""
    place = Workspace("org/tiny", base, Path("unused"), tmp_path_factory.mktemp("work"))
    return place, list(learning_curve(make_niche(), place, RUNS, None))


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A specialist that was published."""
    work = tmp_path_factory.mktemp("whole")
    place = Workspace("org/tiny", base, Path("unused"), work / "work")
    make_specialist(make_niche(), place, [CONFIG], work / "toy")
    return work / "toy"


def test_more_rows_are_better_rows(done) -> None:
    """The base model comes first, then each size; all are graded on the same rows."""
    points = done[1]

    assert [point.rows for point in points] == [0, 2, 20]
    assert [point.steps for point in points] == [0, 1, 40]
    assert {point.test_rows for point in points} == {16}
    assert points[0].quality < 1 == points[2].quality
    assert all(point.low <= point.quality <= point.high for point in points)


def test_a_size_that_is_done_is_not_run_again(done, tmp_path: Path) -> None:
    """Without the base model's weights nothing could be trained or asked: the same points come."""
    place, points = done
    elsewhere = replace(place, base_dir=tmp_path)

    assert list(learning_curve(make_niche(), elsewhere, RUNS, None)) == points


def test_a_size_under_other_conditions_is_run(done, tmp_path: Path) -> None:
    """Fewer test rows: the training stands, the grading does not."""
    place, points = done
    shutil.copytree(place.work_dir, tmp_path / "work")
    elsewhere = replace(place, work_dir=tmp_path / "work")

    again = list(learning_curve(make_niche(), elsewhere, RUNS, 8))

    assert [point.test_rows for point in again] == [8, 8, 8]
    assert [point.seconds for point in again] == [point.seconds for point in points]


def test_smaller_sizes_are_among_the_larger(base: Path, tmp_path: Path) -> None:
    """Rows that are all too long are refused by name: those of each size."""
    rows = [Example(f"say {'a' * n}", "yes", origin=f"row {n}") for n in range(18)]
    drawn = []
    for size in (4, 9, 18):
        config = replace(CONFIG, max_examples=size, max_length_tokens=1)
        with pytest.raises(RecipeError) as refused:
            train(make_niche(rows), base, Path("unused"), tmp_path, config)
        drawn.append({line.split(":")[0] for line in str(refused.value).splitlines()})

    assert [len(found) for found in drawn] == [4, 9, 18]
    assert drawn[0] < drawn[1] < drawn[2]


def test_a_trained_specialist_may_be_the_last_point(done, adapter: Path) -> None:
    """Its rows, steps and time are those of its card; it is graded like the others."""
    *_, last = learning_curve(make_niche(), done[0], [*RUNS, TrainedAdapter(adapter)], None)

    (stage,) = json.loads((adapter / "niche.json").read_text())["stages"]
    facts = stage["result"]
    assert (last.rows, last.steps, last.seconds) == (24, facts["steps"], facts["seconds"])
    assert (last.epochs, last.quality, last.test_rows) == (8, 1, 16)


def test_a_specialist_of_something_else_is_refused(done, adapter: Path) -> None:
    """It would be no point of this curve; nothing is run before that is known."""
    place = replace(done[0], base="org/other", work_dir=done[0].work_dir / "none")

    with pytest.raises(RecipeError, match=r"'org/tiny'.*'org/other'"):
        next(learning_curve(make_niche(), place, [TrainedAdapter(adapter)], None))

    assert not place.work_dir.exists()


def test_a_specialist_that_was_not_published_is_refused(done, adapter: Path, tmp_path) -> None:
    """It does not say how it was trained; nothing is run before that is known."""
    shutil.copytree(adapter, tmp_path / "toy")
    card = tmp_path / "toy" / "niche.json"
    facts = json.loads(card.read_text())
    card.write_text(json.dumps({of: facts[of] for of in facts if of != "stages"}))

    with pytest.raises(RecipeError, match=r"niche\.json"):
        next(learning_curve(make_niche(), done[0], [TrainedAdapter(tmp_path / "toy")], None))


def test_a_curve_is_written_for_people_and_programs(done, tmp_path: Path) -> None:
    """A table, a picture, and the figures."""
    write_curve(make_niche(), "org/tiny", done[1], tmp_path)

    table = (tmp_path / "curve.md").read_text().splitlines()
    facts = json.loads((tmp_path / "curve.json").read_text())
    assert table[0] == "# toy: quality by training rows, on org/tiny"
    assert [line.split(" | ")[0] for line in table[4:7]] == ["| 0", "| 2", "| 20"]
    assert "validation rows" in table[-1]
    assert [Point(**point) for point in facts["points"]] == done[1]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
