"""Outcomes as arrays: graded, priced, and complete."""

from pathlib import Path

import numpy as np
import pytest

from lab.comparison.endpoint import Endpoint
from lab.comparison.experiment import Experiment
from lab.comparison.outcomes import Outcome, Timing, Usage
from lab.comparison.prices import ModelPrice, Prices
from lab.comparison.rows import Row
from lab.comparison.sample import Sample, combined, sample
from tests.lab.comparison.runs import rows_in
from tests.lab.comparison.samples import arm

HERE = Endpoint("http://here/v1")
ARMS = Experiment(HERE, HERE, "auto", "big", specialists={"sql": "sql", "tools": "tools"})
PRICES = Prices(
    models={
        "sql": ModelPrice(completion_per_million_tokens=1e6, machine_per_hour=3600),
        "auto": ModelPrice(completion_per_million_tokens=5e6),
    },
    baseline_models={"big": ModelPrice(completion_per_million_tokens=9e6)},
)


def said(row: Row, arm: str, model: str | None, text: str = "", **more: object) -> Outcome:
    usage = Usage(prompt_tokens=1, completion_tokens=2, list_cost=7.0, engine_seconds=0.5)
    fields = {"usage": usage, "timing": Timing(0.1, 0.2), **more}
    return Outcome(row.key, arm, arm, text, model=model, **fields)


def made(rows: list[Row], *outcomes: Outcome, prices: Prices = PRICES) -> Sample:
    by_arm: dict[str, dict[str, Outcome]] = {}
    for of in outcomes:
        by_arm.setdefault(of.arm, {})[of.row] = of
    return sample(rows, by_arm, {}, ARMS, prices)


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """One of each domain: sql, tools, general."""
    return rows_in(tmp_path, 1)


def both(rows: list[Row], models: tuple[str | None, ...]) -> list[Outcome]:
    autos = [said(row, "auto", model) for row, model in zip(rows, models, strict=True)]
    return [*autos, *(said(row, "generalist", "big") for row in rows)]


def test_answers_are_graded_by_their_row(rows: list[Row]) -> None:
    """And read as the grader reads all."""
    right = [said(row, "auto", "sql", f"Seven  {row.chat[0].content}") for row in rows[:2]]

    found = made(rows, *right, *both(rows, ("sql", "sql", "sql"))[2:])

    assert found.arms["auto"].quality.tolist() == [1, 1, 0]


def test_a_failure_is_wrong_and_has_nothing_else(rows: list[Row]) -> None:
    """No cost, no time: nobody had an answer."""
    failed = said(rows[0], "auto", "sql", "seven sql 0", error="HTTP 500")

    auto = made(rows, *both(rows, ("sql", "big", "big")), failed).arms["auto"]

    assert (auto.quality[0], auto.failed.tolist()) == (0, [True, False, False])
    assert np.isnan([auto.list_cost[0], auto.seconds[0], auto.engine_seconds[0]]).all()


def test_a_price_is_of_who_answered(rows: list[Row]) -> None:
    """Else of who was asked; else what the answer reports stands."""
    found = made(rows, *both(rows, ("sql", None, "unpriced")))

    assert found.arms["auto"].list_cost.tolist() == [2.0, 10.0, 10.0]
    unpriced = made(rows, *both(rows, ("sql", None, "x")), prices=Prices())
    assert unpriced.arms["auto"].list_cost.tolist() == [7.0, 7.0, 7.0]


def test_the_baseline_may_have_prices_of_its_own(rows: list[Row]) -> None:
    """Another gateway's model of the same name."""
    assert made(rows, *both(rows, ("sql", "sql", "sql"))).arms["generalist"].list_cost[0] == 18


def test_engine_seconds_cost_what_the_machine_does(rows: list[Row]) -> None:
    """Half a second of one that costs one a second."""
    assert made(rows, *both(rows, ("sql", "x", "x"))).arms["auto"].attributed_cost[0] == 0.5


def test_an_arm_without_an_answer_to_every_prompt_is_left_out(rows: list[Row]) -> None:
    """It cannot be compared prompt by prompt."""
    found = made(rows, *both(rows, ("sql", "tools", "big")), said(rows[0], "shuffle", "sql"))

    assert [*found.arms] == ["auto", "generalist", "oracle"]


def test_the_oracle_takes_the_answer_of_whoever_asked_the_right_model(rows: list[Row]) -> None:
    """Auto where it went there, its own requests else, and the generalist where nobody is
    special."""
    outcomes = both(rows, ("sql", "big", "tools"))

    assert "oracle" not in made(rows, *outcomes).arms
    found = made(rows, *outcomes, said(rows[1], "oracle", "tools"))

    assert found.arms["oracle"].models == ("sql", "tools", "big")


def test_prompts_of_one_group_belong_together(rows: list[Row]) -> None:
    """Within a domain; without a group each stands alone."""
    named = [type(row)(**{**vars(row), "group": "doc"}) for row in rows]

    apart = made(rows, *both(rows, ("x", "x", "x")))
    assert len(set(made(named, *both(named, ("x", "x", "x"))).groups.tolist())) == 3
    same = [type(row)(**{**vars(row), "domain": "sql"}) for row in named]
    assert len(set(made(same, *both(same, ("sql", "sql", "sql"))).groups.tolist())) == 1
    assert len(set(apart.groups.tolist())) == 3


def test_arms_can_be_combined() -> None:
    """Row by row, with everything that belongs to the answers."""
    first, second = arm("a", [1, 1], list_cost=[1, 1]), arm("b", [0, 0], list_cost=[2, 2])

    found = combined("both", [first, second])

    assert (found.name, found.quality.tolist(), found.list_cost.tolist()) == (
        "both",
        [1, 0],
        [1, 2],
    )
    assert (found.models, found.texts) == (("a", "b"), ("a says", "b says"))
