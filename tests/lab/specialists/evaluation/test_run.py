"""A whole run of tiny models: asked, kept, graded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lab.specialists.evaluation.plan import Plan, make_plan
from lab.specialists.evaluation.run import Report, run
from tests.lab.specialists.evaluation.toy_run import adapters, settings, toy_config


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models of the plan lie, and the answers of a run of it."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def toy_plan(home: Path) -> Plan:
    return make_plan(toy_config(home), adapters(home))


@pytest.fixture(scope="module")
def report(home: Path, toy_plan: Plan) -> Report:
    return run(toy_plan, settings(home))


@pytest.fixture
def done(home: Path, report: Report, tmp_path: Path) -> Path:
    """A folder with the answers of a finished run."""
    shutil.copytree(home / "work", tmp_path / "work")
    return tmp_path


def files(tmp_path: Path) -> dict[str, str]:
    found = sorted((tmp_path / "work").rglob("*.jsonl"))
    return {path.relative_to(tmp_path / "work").as_posix(): path.read_text() for path in found}


def test_the_specialist_wins_its_niche_and_the_matrix_says_so(report: Report) -> None:
    """It says `yes` to every question of `one`, and to those of `two`, where half are `no`."""
    found = report.matrix

    home, foreign = found.cell("one", "one"), found.cell("one", "two")
    assert home is not None
    assert foreign is not None
    assert home.quality.value == 1
    assert 0 < foreign.quality.value < 1
    assert [(of.column, of.outcome) for of in found.verdicts] == [
        ("one", "wins"),
        ("one (mentions)", "wins"),
    ]


def test_a_niche_without_an_adapter_is_noted_and_its_rows_are_asked_all_the_same(
    report: Report,
) -> None:
    """Nothing is passed over in silence."""
    (note,) = report.plan.notes
    assert note.startswith("two: no adapter in ")
    assert report.matrix.cell("one", "two/more") is not None
    assert report.matrix.spec.specialists == {"one": "one"}


def test_an_answer_at_hand_is_not_asked_for_again(
    done: Path, toy_plan: Plan, report: Report
) -> None:
    """A second run writes nothing: its answers, seconds too, are those of the first."""
    before = files(done)

    second = run(toy_plan, settings(done))

    assert files(done) == before
    assert second.matrix.cells == report.matrix.cells


def test_a_run_that_was_cut_goes_on_where_it_stood(done: Path, toy_plan: Plan) -> None:
    """What was answered stays, to the last digit of its seconds; the rest is asked."""
    path = done / "work" / "one" / "two.jsonl"
    whole = path.read_text().splitlines()
    path.write_text("\n".join(whole[:5]) + "\n")

    run(toy_plan, settings(done))

    after = path.read_text().splitlines()
    assert after[:5] == whole[:5]
    assert {json.loads(line)["key"] for line in after[1:]} == {
        json.loads(line)["key"] for line in whole[1:]
    }


def test_more_rows_ask_for_the_new_ones_alone(tmp_path: Path) -> None:
    """The rows of a small run are among those of a larger one."""
    folder = adapters(tmp_path)
    wanted = toy_config(tmp_path)
    run(make_plan(replace(wanted, rows=4), folder), settings(tmp_path))
    before = files(tmp_path)["one/one.jsonl"]

    run(make_plan(wanted, folder), settings(tmp_path))

    after = files(tmp_path)["one/one.jsonl"]
    assert after.startswith(before)
    assert len(after.splitlines()) == 1 + 10


def test_another_adapter_is_asked_anew(
    done: Path, toy_plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """A specialist that was trained again is not judged by its forerunner's answers."""
    before = files(done)
    specialist, *others = toy_plan.candidates
    assert specialist.weights.adapter is not None
    retrained = specialist.weights.adapter.model_copy(update={"sha256": "0" * 64})
    weights = replace(specialist.weights, adapter=retrained)

    run(
        replace(toy_plan, candidates=(replace(specialist, weights=weights), *others)),
        settings(done),
    )

    assert "(adapter)" in capsys.readouterr().out
    assert files(done)["one/one.jsonl"] != before["one/one.jsonl"]
    assert files(done)["one/one.old.jsonl"] == before["one/one.jsonl"]
    assert files(done)["babbler-zero-shot/one.jsonl"] == before["babbler-zero-shot/one.jsonl"]


def test_seconds_of_another_machine_are_not_used_again(
    done: Path, toy_plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """Costs compare within one machine alone."""
    few = replace(toy_plan, candidates=toy_plan.candidates[:1])

    run(few, settings(done, machine="another"))

    assert "(machine)" in capsys.readouterr().out


def test_a_model_that_never_ends_is_seen_to_degenerate(report: Report) -> None:
    """The specialist's answers end; random weights run into the limit of eight tokens."""
    by_model = {of.model: of for of in report.degenerations}

    assert (by_model["one"].home.cut, by_model["one"].home.mean_tokens) == (0, 3)
    assert by_model["one"].home.answers == 10
    assert by_model["one"].elsewhere.answers == 14
    assert by_model["babbler zero-shot"].home.cut > 0.5
    assert by_model["babbler zero-shot"].elsewhere.answers == 0
