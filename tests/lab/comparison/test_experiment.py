"""Who is asked what."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lab.comparison.endpoint import Catalogue, Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.experiment import Experiment, RequestedArms, plan_experiment
from lab.comparison.outcomes import Outcome, Timing
from lab.comparison.rows import Row, Turn
from tests.lab.comparison.runs import rows_in

HERE, THERE = Endpoint("http://here/v1"), Endpoint("http://there/v1")
KNOWN = Catalogue(("auto", "big", "sql", "tools"), "big", {"sql": "sql", "tools": "tools"})
ARMS = plan_experiment(RequestedArms(HERE), KNOWN)


def routed(rows: list[Row], models: list[str | None]) -> dict[str, Outcome]:
    pairs = zip(rows, models, strict=True)
    return {
        row.key: Outcome(row.key, "auto", "auto", "x", Timing(None, 1), model=model)
        for row, model in pairs
    }


def second(rows: list[Row], models: list[str | None], arms: Experiment = ARMS, seed: int = 0):
    return list(arms.follow_up_requests(rows, routed(rows, models), seed, 64))


def test_first_auto_and_the_baseline_are_asked(tmp_path: Path) -> None:
    """And specialists that answer everything, where wanted."""
    rows = rows_in(tmp_path, 1)
    arms = plan_experiment(RequestedArms(HERE, solo=("all",)), KNOWN)

    asked = Counter((ask.arm, ask.model) for ask in arms.first_requests(rows, 64))

    assert asked == Counter(
        dict.fromkeys(
            [("auto", "auto"), ("generalist", "big"), ("sql", "sql"), ("tools", "tools")], 3
        )
    )


def test_the_generalist_is_asked_its_own_way(tmp_path: Path) -> None:
    """Where the row says so; nobody else is."""
    own = (Turn(role="system", content="Be good."), Turn(role="user", content="sql 0"))
    row = replace(rows_in(tmp_path, 1)[0], generalist_chat=own, max_tokens=7)

    asks = list(ARMS.first_requests([row], 64))

    assert [(ask.arm, len(ask.chat), ask.max_tokens) for ask in asks] == [
        ("auto", 1, 7),
        ("generalist", 2, 7),
    ]


def test_in_a_run_against_itself_both_are_asked_alike(tmp_path: Path) -> None:
    """The generalist as auto, and as the baseline."""
    own = (Turn(role="user", content="Be good. sql 0"),)
    row = replace(rows_in(tmp_path, 1)[0], generalist_chat=own)

    asks = plan_experiment(RequestedArms(HERE, auto="big"), KNOWN).first_requests([row], 64)

    assert [ask.chat for ask in asks] == [own, own]


def test_the_shuffle_has_autos_shares(tmp_path: Path) -> None:
    """The same models as often, over other prompts, and the same again with the same seed."""
    rows = rows_in(tmp_path, 20)
    models = ["sql"] * 20 + ["tools"] * 20 + ["big"] * 20

    asks = [ask for ask in second(rows, models) if ask.arm == "shuffle"]

    assigned = [ask.model for ask in asks]
    assert Counter(assigned) == Counter(models)
    assert assigned != models
    assert [ask.model for ask in second(rows, models) if ask.arm == "shuffle"] == assigned
    assert [ask.model for ask in second(rows, models, seed=1) if ask.arm == "shuffle"] != assigned


def test_the_shuffle_does_not_look_at_the_prompt(tmp_path: Path) -> None:
    """Which prompts auto sent where makes no difference to which models are assigned."""
    rows = rows_in(tmp_path, 10)
    models = ["sql"] * 10 + ["tools"] * 10 + ["big"] * 10

    there, back = (
        [ask.model for ask in second(rows, of) if ask.arm == "shuffle"]
        for of in (models, models[::-1])
    )

    assert there == back


def test_where_a_route_is_not_known_another_is_dealt(tmp_path: Path) -> None:
    """A failed request names no model; every prompt has one all the same."""
    rows = rows_in(tmp_path, 2)

    asks = second(rows, ["sql", None, "sql", None, "sql", "sql"])

    assert [ask.model for ask in asks if ask.arm == "shuffle"] == ["sql"] * 6


def test_without_routes_there_is_no_shuffle(tmp_path: Path) -> None:
    """Another gateway does not tell who answered."""
    arms = plan_experiment(RequestedArms(HERE, generalist="gpt"), Catalogue())
    rows = rows_in(tmp_path, 2)

    assert second(rows, [None] * 6, arms) == []


def test_the_oracle_asks_what_nobody_asked_yet(tmp_path: Path) -> None:
    """The specialist of the prompt's own domain, where auto went elsewhere."""
    rows = rows_in(tmp_path, 2)  # sql, tools and general, two of each
    models = ["sql", "big", "tools", "sql", "big", "big"]

    asks = [ask for ask in second(rows, models) if ask.arm == "oracle"]

    assert [(ask.row, ask.model) for ask in asks] == [
        (rows[1].key, "sql"),
        (rows[3].key, "tools"),
    ]


def test_the_baseline_may_live_elsewhere(tmp_path: Path) -> None:
    """It needs a name then; the shuffle stays with auto's models."""
    arms = plan_experiment(RequestedArms(HERE, baseline=THERE, generalist="gpt"), KNOWN)
    rows = rows_in(tmp_path, 1)

    first = {ask.arm: (ask.endpoint, ask.model) for ask in arms.first_requests(rows, 9)}

    assert first["generalist"] == (THERE, "gpt")
    assert {ask.endpoint for ask in second(rows, ["sql"] * 3, arms)} == {HERE}


@pytest.mark.parametrize(
    ("wanted", "catalogue", "named"),
    [
        pytest.param(RequestedArms(HERE), Catalogue(), "--generalist", id="no generalist"),
        pytest.param(RequestedArms(HERE, baseline=THERE), KNOWN, "--generalist", id="elsewhere"),
        pytest.param(RequestedArms(HERE, generalist="large"), KNOWN, "'large'", id="unknown one"),
        pytest.param(RequestedArms(HERE, solo=("sqll",)), KNOWN, "'sqll'", id="unknown arm"),
        pytest.param(RequestedArms(HERE, solo=("sql", "sql")), KNOWN, "--arms sql sql", id="twice"),
        pytest.param(RequestedArms(HERE, solo=("auto",)), KNOWN, "--arms auto", id="a fixed arm"),
    ],
)
def test_an_arm_that_cannot_be_is_refused(
    wanted: RequestedArms, catalogue: Catalogue, named: str
) -> None:
    """Before anything is asked; the error names the arm or the option."""
    with pytest.raises(ComparisonError, match=named):
        plan_experiment(wanted, catalogue)
