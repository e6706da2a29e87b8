"""Whole comparisons against a toy gateway."""

import json
from pathlib import Path

import pytest

from lab.comparison.endpoint import Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.experiment import RequestedArms
from tests.lab.comparison.runs import GOOD, URL, compared, rows_in, settings_in
from tests.lab.comparison.toy_gateway import BIG, SQL, TOOLS, ToyGateway


async def test_good_specialists_are_better_and_cheaper(tmp_path: Path) -> None:
    """And better than a mix; the oracle is not far."""
    gateway = ToyGateway(GOOD)

    found = await compared(gateway, rows_in(tmp_path, 40), settings_in(tmp_path))

    assert (found.verdict.kind, found.verdict.control) == ("Better and cheaper", "content matters")
    assert [arm.name for arm in found.figures.arms] == ["auto", "generalist", "shuffle", "oracle"]
    auto = found.figures.arm("auto")
    assert auto.models == {SQL: 40, TOOLS: 40, BIG: 40}
    assert found.figures.arm("shuffle").models == auto.models
    assert found.figures.gap.closed.value > 0.9


async def test_useless_specialists_are_worse(tmp_path: Path) -> None:
    """However cheap."""
    gateway = ToyGateway({BIG: GOOD[BIG]})

    found = await compared(gateway, rows_in(tmp_path, 40), settings_in(tmp_path))

    assert found.verdict.kind == "Cheaper but worse"


async def test_specialists_that_are_the_generalist_add_nothing(tmp_path: Path) -> None:
    """The mix does as well, and that is said."""
    right = dict.fromkeys(("sql", "tools", "general"), 1.0)
    gateway = ToyGateway({BIG: right, SQL: right, TOOLS: right})

    found = await compared(gateway, rows_in(tmp_path, 70), settings_in(tmp_path))

    assert found.verdict.kind == "As good and cheaper"
    assert found.verdict.control == "adds nothing"


async def test_the_generalist_against_itself_shows_nothing(tmp_path: Path) -> None:
    """An A/A run: as good, no cheaper, and the mix is the same again."""
    wanted = RequestedArms(Endpoint(URL), auto=BIG)

    found = await compared(ToyGateway(GOOD), rows_in(tmp_path, 60), settings_in(tmp_path), wanted)

    assert found.verdict.kind == "As good, and not cheaper"
    assert found.figures.domains[0].outcome == "ties"


async def test_specialists_alone_are_asked_where_wanted(tmp_path: Path) -> None:
    """Everything, by name; the oracle then needs no request of its own."""
    gateway = ToyGateway(GOOD)
    wanted = RequestedArms(Endpoint(URL), solo=("all",))

    found = await compared(gateway, rows_in(tmp_path, 10), settings_in(tmp_path), wanted)

    assert found.figures.arm(SQL).models == {SQL: 30}
    kept = [
        json.loads(line) for line in (tmp_path / "outcomes.jsonl").read_text().split("\n")[1:-1]
    ]
    assert {of["arm"] for of in kept} == {"auto", "generalist", "shuffle", SQL, TOOLS}


async def test_a_cut_run_goes_on(tmp_path: Path) -> None:
    """Nothing is asked twice, and the figures are those of a run in one go."""
    rows, gateway = rows_in(tmp_path, 10), ToyGateway(GOOD)
    whole = await compared(gateway, rows, settings_in(tmp_path))
    path = tmp_path / "outcomes.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:40]) + lines[40][:20])
    gateway.bodies.clear()

    again = await compared(gateway, rows, settings_in(tmp_path))

    assert again.figures == whole.figures
    assert len(path.read_text().splitlines()) == len(lines)
    assert len(gateway.bodies) < len(lines)


async def test_after_the_last_answer_nothing_is_asked(tmp_path: Path) -> None:
    """The same command only computes."""
    rows, gateway = rows_in(tmp_path, 5), ToyGateway(GOOD)
    await compared(gateway, rows, settings_in(tmp_path))
    gateway.bodies.clear()

    await compared(gateway, rows, settings_in(tmp_path))

    assert gateway.bodies == []


async def test_the_models_are_those_of_the_beginning(tmp_path: Path) -> None:
    """A gateway that is gone, or has other models now, does not change what was compared."""
    rows, gateway = rows_in(tmp_path, 5), ToyGateway(GOOD)
    whole = await compared(gateway, rows, settings_in(tmp_path))

    other = RequestedArms(Endpoint("http://other/v1"))
    with pytest.raises(ComparisonError, match=r"'http://toy/v1'.*'http://other/v1'"):
        await compared(ToyGateway(), rows, settings_in(tmp_path), other)
    again = await compared(ToyGateway(tells=False), rows, settings_in(tmp_path))

    assert (again.figures, again.experiment) == (whole.figures, whole.experiment)


async def test_the_models_of_another_address_are_forgotten(tmp_path: Path) -> None:
    """Who mistyped the address and mends it compares what is at the right one."""
    rows, settings = rows_in(tmp_path, 5), settings_in(tmp_path)
    mistyped = RequestedArms(Endpoint(URL.removesuffix("/v1")), generalist=BIG)
    with pytest.raises(ComparisonError, match="none of 4 requests"):
        await compared(ToyGateway(GOOD), rows, settings, mistyped)

    found = await compared(ToyGateway(GOOD), rows, settings)

    assert found.experiment.specialists == {"sql": SQL, "tools": TOOLS}


async def test_an_arm_without_a_name_is_asked_for_again(tmp_path: Path) -> None:
    """What could not begin leaves nothing that the next try would go on with."""
    rows, settings = rows_in(tmp_path, 5), settings_in(tmp_path)
    with pytest.raises(ComparisonError, match="--generalist"):
        await compared(ToyGateway(GOOD, tells=False), rows, settings)

    found = await compared(ToyGateway(GOOD), rows, settings)

    assert found.experiment.generalist == BIG


async def test_the_margin_is_fixed_by_the_first_answer(tmp_path: Path) -> None:
    """Another one is another comparison."""
    rows, settings = rows_in(tmp_path, 3), settings_in(tmp_path)
    await compared(ToyGateway(GOOD), rows, settings)
    terms = type(settings.terms)(**{**vars(settings.terms), "margin": 0.1})

    with pytest.raises(ComparisonError, match=r"margin.*0\.02.*0\.1"):
        await compared(ToyGateway(GOOD), rows, settings_in(tmp_path, terms=terms))


async def test_the_timeout_is_fixed_by_the_first_answer(tmp_path: Path) -> None:
    """An answer that one limit failed must not stand beside answers under another."""
    rows = rows_in(tmp_path, 3)
    await compared(ToyGateway(GOOD), rows, settings_in(tmp_path, timeout_seconds=5.0))

    with pytest.raises(ComparisonError, match=r"timeout_seconds was 5\.0 and is 120\.0"):
        await compared(ToyGateway(GOOD), rows, settings_in(tmp_path))


async def test_failures_count_as_wrong(tmp_path: Path) -> None:
    """They are not tried again, and are told."""
    gateway = ToyGateway(GOOD, cuts={SQL})

    with pytest.raises(ComparisonError, match=f"{SQL}: .*ended early"):
        await compared(gateway, rows_in(tmp_path, 10), settings_in(tmp_path))
    kept = (tmp_path / "outcomes.jsonl").read_text()
    assert kept.count("ended early") == 10
    gateway.cuts.clear()
    found = await compared(gateway, rows_in(tmp_path, 10), settings_in(tmp_path))
    assert found.figures.arm("auto").failed == 10


async def test_another_gateway_tells_less(tmp_path: Path) -> None:
    """No routes, so no shuffle and no oracle; prices by the model that is named."""
    gateway = ToyGateway(GOOD, tells=False)
    wanted = RequestedArms(Endpoint(URL), generalist=BIG)

    found = await compared(gateway, rows_in(tmp_path, 40), settings_in(tmp_path), wanted)

    assert [arm.name for arm in found.figures.arms] == ["auto", "generalist"]
    assert found.verdict.kind == "Better and cheaper"
    assert found.figures.arm("auto").models == {}
    assert found.figures.gap is None


async def test_a_judge_decides_where_no_grader_can(tmp_path: Path) -> None:
    """By both orders; the judge's words are kept too."""
    line = json.dumps({"prompt": "sql poem", "grader": "judge", "domain": "sql"})
    rows = [row for row in rows_in(tmp_path, 1, line) if row.grader == "judge"]
    words = {(f"no {SQL}", f"no {BIG}"): "A", (f"no {BIG}", f"no {SQL}"): "B"}
    gateway = ToyGateway(verdicts=words)

    found = await compared(gateway, rows, settings_in(tmp_path), judge="judge")

    assert found.figures.arm("auto").quality.value == 1.0
    assert found.figures.arm("generalist").quality.value == 0.5
    assert (tmp_path / "judgements.jsonl").read_text().count("VERDICT") >= 2


async def test_a_prompt_without_a_verdict_is_left_out(tmp_path: Path) -> None:
    """For all arms, so that they stay comparable; the notes say how many replies were lost."""
    line = json.dumps({"prompt": "sql poem", "grader": "judge", "domain": "sql"})
    rows = rows_in(tmp_path, 20, line)

    found = await compared(ToyGateway(), rows, settings_in(tmp_path), judge="judge")

    asked, unreadable = found.figures.judgements
    assert asked == unreadable > 0
    assert found.figures.rows == len(rows) - 1
    assert any(f"{unreadable} of the judge's {asked}" in note for note in found.verdict.notes)


async def test_a_judge_without_any_verdict_is_refused(tmp_path: Path) -> None:
    """There is nothing to compare by."""
    line = json.dumps({"prompt": "sql poem", "grader": "judge", "domain": "sql"})
    rows = [row for row in rows_in(tmp_path, 1, line) if row.grader == "judge"]

    with pytest.raises(ComparisonError, match="--judge-model"):
        await compared(ToyGateway(), rows, settings_in(tmp_path), judge="judge")


async def test_rows_for_a_judge_need_one(tmp_path: Path) -> None:
    """Before anything is asked."""
    gateway = ToyGateway(GOOD)
    line = json.dumps({"prompt": "sql poem", "grader": "judge"})

    with pytest.raises(ComparisonError, match=r"--judge-url.*--judge-model"):
        await compared(gateway, rows_in(tmp_path, 1, line), settings_in(tmp_path))
    assert gateway.bodies == []


async def test_too_many_requests_are_refused(tmp_path: Path) -> None:
    """Before the first one."""
    gateway = ToyGateway(GOOD)

    with pytest.raises(ComparisonError, match=r"120 requests.*--max-requests 120"):
        await compared(gateway, rows_in(tmp_path, 10), settings_in(tmp_path, max_requests=119))
    assert gateway.bodies == []
