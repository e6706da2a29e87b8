"""A whole run of tiny models: asked, kept, graded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.models.errors import ModelError
from lab.specialists.evaluation.plan import Plan, compare_ways, plan
from lab.specialists.evaluation.run import run
from tests.lab.specialists.evaluation.toy_run import ONE, TWO, adapters, settings, toy_wanted


@pytest.fixture
def toy_plan(tmp_path: Path) -> Plan:
    folder = adapters(tmp_path)
    return plan(toy_wanted(tmp_path), folder)


def files(tmp_path: Path) -> dict[str, str]:
    found = sorted((tmp_path / "work").rglob("*.jsonl"))
    return {path.relative_to(tmp_path / "work").as_posix(): path.read_text() for path in found}


def test_the_specialist_wins_its_niche_and_the_matrix_says_so(
    tmp_path: Path, toy_plan: Plan
) -> None:
    """It says `yes` to every question of `one`, and to those of `two`, where half are `no`."""
    found = run(toy_plan, settings(tmp_path)).matrix

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
    tmp_path: Path, toy_plan: Plan
) -> None:
    """Nothing is passed over in silence."""
    report = run(toy_plan, settings(tmp_path))

    (note,) = report.plan.notes
    assert note.startswith("two: no adapter in ")
    assert report.matrix.cell("one", "two/more") is not None
    assert report.matrix.lineup.specialists == {"one": "one"}


def test_an_answer_at_hand_is_not_asked_for_again(tmp_path: Path, toy_plan: Plan) -> None:
    """A second run writes nothing: its answers, seconds too, are those of the first."""
    first = run(toy_plan, settings(tmp_path))
    before = files(tmp_path)

    second = run(toy_plan, settings(tmp_path))

    assert files(tmp_path) == before
    assert second.matrix.cells == first.matrix.cells


def test_a_run_that_was_cut_goes_on_where_it_stood(tmp_path: Path, toy_plan: Plan) -> None:
    """What was answered stays, to the last digit of its seconds; the rest is asked."""
    run(toy_plan, settings(tmp_path))
    path = tmp_path / "work" / "one" / "two.jsonl"
    whole = path.read_text().splitlines()
    path.write_text("\n".join(whole[:5]) + "\n")

    run(toy_plan, settings(tmp_path))

    after = path.read_text().splitlines()
    assert after[:5] == whole[:5]
    assert {json.loads(line)["key"] for line in after[1:]} == {
        json.loads(line)["key"] for line in whole[1:]
    }


def test_more_rows_ask_for_the_new_ones_alone(tmp_path: Path) -> None:
    """The rows of a small run are among those of a larger one."""
    folder = adapters(tmp_path)
    wanted = toy_wanted(tmp_path)
    run(plan(replace(wanted, rows=4), folder), settings(tmp_path))
    before = files(tmp_path)["one/one.jsonl"]

    run(plan(wanted, folder), settings(tmp_path))

    after = files(tmp_path)["one/one.jsonl"]
    assert after.startswith(before)
    assert len(after.splitlines()) == 1 + 10


def test_another_adapter_is_asked_anew(
    tmp_path: Path, toy_plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """A specialist that was trained again is not judged by its forerunner's answers."""
    run(toy_plan, settings(tmp_path))
    before = files(tmp_path)
    specialist, *others = toy_plan.candidates
    assert specialist.weights.adapter is not None
    retrained = replace(specialist.weights.adapter, sha256="0" * 64)
    weights = replace(specialist.weights, adapter=retrained)

    run(
        replace(toy_plan, candidates=(replace(specialist, weights=weights), *others)),
        settings(tmp_path),
    )

    assert "one.jsonl: answers under other conditions (adapter)" in capsys.readouterr().out
    assert files(tmp_path)["one/one.jsonl"] != before["one/one.jsonl"]
    assert files(tmp_path)["one/one.old.jsonl"] == before["one/one.jsonl"]
    assert files(tmp_path)["babbler-zero-shot/one.jsonl"] == before["babbler-zero-shot/one.jsonl"]


def test_seconds_of_another_machine_are_not_used_again(
    tmp_path: Path, toy_plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """Costs compare within one machine alone."""
    run(toy_plan, settings(tmp_path))

    run(toy_plan, settings(tmp_path, machine="another"))

    assert "under other conditions (machine)" in capsys.readouterr().out


def test_a_model_that_never_ends_is_seen_to_degenerate(tmp_path: Path, toy_plan: Plan) -> None:
    """The specialist's answers end; random weights run into the limit of eight tokens."""
    by_model = {of.model: of for of in run(toy_plan, settings(tmp_path)).degenerations}

    assert (by_model["one"].home.cut, by_model["one"].home.mean_tokens) == (0, 3)
    assert by_model["one"].home.answers == 10
    assert by_model["one"].elsewhere.answers == 14
    assert by_model["babbler zero-shot"].home.cut > 0.5
    assert by_model["babbler zero-shot"].elsewhere.answers == 0


def test_the_specialists_base_can_be_compared_too(tmp_path: Path) -> None:
    """As one more generalist, of whom no verdict is made."""
    folder = adapters(tmp_path)

    found = plan(toy_wanted(tmp_path, base_of_specialists=True), folder).lineup

    assert found.models == (
        *("one", "babbler zero-shot", "babbler few-shot", "sayer zero-shot", "sayer few-shot"),
    )
    assert found.rivals == ("babbler zero-shot", "babbler few-shot")


def test_a_named_adapter_takes_the_place_of_the_default_one(tmp_path: Path) -> None:
    """To measure one before it is published."""
    folder = adapters(tmp_path)
    named = {"two": str(folder / "one")}

    found = plan(toy_wanted(tmp_path, adapters=named), folder)

    assert found.notes == ()
    assert found.lineup.specialists == {"one": "one", "two": "two"}


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    """One's figures would stand for both."""
    folder = adapters(tmp_path)
    namesake = Path(shutil.copytree(tmp_path / "sayer", tmp_path / "other" / "sayer"))

    with pytest.raises(ModelError, match="two models are called 'sayer few-shot'"):
        plan(toy_wanted(tmp_path, generalist=str(namesake), base_of_specialists=True), folder)


def test_ways_are_compared_on_validation_rows_alone(tmp_path: Path) -> None:
    """What is chosen on test rows proves nothing on them."""
    found = compare_ways(toy_wanted(tmp_path))

    asked = {question.example for task in found.tasks for question in task.questions}
    allowed = {*ONE.examples("validation", tmp_path), *TWO.examples("validation", tmp_path)}
    assert asked <= allowed
    assert [of.name for of in found.candidates] == [
        *("zero-shot", "zero-shot within", "fixed 8", "nearest 8"),
    ]
    assert [task.name for task in found.tasks] == ["one", "two"]
