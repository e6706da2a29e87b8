"""Figures of samples made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from lab.comparison.analysis import AnalysisSettings, analyse, domain_oracle, gap_closed
from lab.comparison.figures import Figures
from lab.comparison.prices import ModelPrice, Prices
from tests.lab.comparison.samples import arm, sample_of

ROWS = 120
DOMAINS = ["sql", "tools", "general"] * 40
MACHINE = ModelPrice(machine_per_hour=3.6)
TERMS = AnalysisSettings(
    0.02, 4, 0, Prices(currency="EUR", models={"big": MACHINE, "sql": MACHINE})
)


def figures(terms: AnalysisSettings = TERMS) -> Figures:
    """auto wins all of sql, and is the generalist elsewhere; it takes half of the time."""
    rng = np.random.default_rng(0)
    base = (rng.random(ROWS) < 0.5).astype(float)
    home = np.array(DOMAINS) == "sql"
    models = ["sql" if of else "big" for of in home]
    times = {"engine_seconds": [0.1] * ROWS, "tokens": [5] * ROWS}
    arms = [
        arm("z", np.zeros(ROWS), list_cost=[0.1] * ROWS),
        arm("shuffle", base * (rng.random(ROWS) < 0.6), list_cost=[1.0] * ROWS),
        arm(
            "generalist",
            base,
            list_cost=[2.0] * ROWS,
            seconds=[2.0] * ROWS,
            models=["big"] * ROWS,
            **times,
        ),
        arm(
            "auto",
            np.where(home, 1, base),
            list_cost=[1.0] * ROWS,
            seconds=[1.0] * ROWS,
            models=models,
            **times,
        ),
        arm("oracle", np.where(home, 1, base), list_cost=[0.9] * ROWS, seconds=[9.0] * ROWS),
    ]
    return analyse(sample_of(arms, DOMAINS), terms)


@pytest.fixture(scope="module")
def found() -> Figures:
    """Computed once; they are values."""
    return figures()


def test_the_same_sample_has_the_same_figures(found: Figures) -> None:
    """Every draw is of the same seed."""
    assert figures() == found


def test_arms_stand_in_a_fixed_order(found: Figures) -> None:
    """Those that matter first."""
    names = [of.name for of in found.arms]

    assert names == ["auto", "generalist", "shuffle", "oracle", "z"]


def test_every_arm_is_compared_with_the_generalist(found: Figures) -> None:
    """And auto with its controls."""
    pairs = [(of.arm, of.baseline) for of in found.pairs]

    assert pairs == [
        *((name, "generalist") for name in ("auto", "shuffle", "oracle", "z")),
        ("auto", "shuffle"),
        ("auto", "oracle"),
    ]


def test_domains_are_corrected_for_their_number(found: Figures) -> None:
    """One of three is won, at three times its p-value."""
    outcomes = {of.domain: of.outcome for of in found.domains}
    sql = next(of for of in found.domains if of.domain == "sql")

    assert outcomes == {"general": "ties", "sql": "wins", "tools": "ties"}
    assert sql.corrected_p == pytest.approx(3 * sql.quality.p_value)
    assert sql.routes == {"sql": 40}


def test_the_oracle_has_no_latency_and_is_not_on_the_front(found: Figures) -> None:
    """It was put together; nobody can have it."""
    oracle = found.arm("oracle")

    assert (oracle.latencies, oracle.curves) == ({}, {})
    assert found.pair("auto", "oracle").latencies == {}
    assert found.front["list"] == ("z", "auto")


def test_latencies_are_compared(found: Figures) -> None:
    """A second less, whichever quantile."""
    times = found.pair("auto", "generalist").latencies["seconds"]

    assert (times.p50.value, times.p99.high) == (-1.0, -1.0)
    assert found.arm("auto").latencies["first_seconds"] is None


def test_the_traffic_is_that_of_the_clients_unless_it_is_given(found: Figures) -> None:
    """Four clients that wait a second each make 14,400 requests an hour."""
    assert found.requests_per_hour == 4 * 3600
    assert figures(replace(TERMS, requests_per_hour=100)).requests_per_hour == 100


def test_the_capacity_cost_falls_with_traffic(found: Figures) -> None:
    """Two idle models cost twice as much as one, and busy ones need no idle ones."""
    first, last = found.capacity[0], found.capacity[-1]

    assert first.costs["auto"] == pytest.approx(2 * first.costs["generalist"])
    assert last.costs["auto"] == pytest.approx(last.costs["generalist"], rel=0.1)
    assert last.costs["auto"] < first.costs["auto"]


def test_examples_show_gains_and_losses(found: Figures) -> None:
    """Gains here, for auto loses nothing."""
    assert {of.gain for of in found.examples} == {1.0}
    assert found.examples[0].domain == "sql"


def test_the_generalist_against_itself_is_among_the_figures(found: Figures) -> None:
    """A hundred times."""
    assert found.aa_test.repetitions == 100
    assert found.aa_test.without_difference >= 90


def test_a_sample_of_two_arms_has_what_can_be_had() -> None:
    """As with another gateway: no routes, no costs, no oracle, no capacity."""
    none = [None] * 10
    arms = [arm("auto", [1] * 10, models=none), arm("generalist", [1] * 10, models=none)]

    found = analyse(sample_of(arms), TERMS)

    assert (found.gap, found.capacity, found.requests_per_hour) == (None, (), None)
    assert found.front == {"list": (), "attributed": (), "capacity": ()}
    assert (found.arms[0].models, found.domains[0].routes) == ({}, {})


HALVES = ["sql"] * 50 + ["tools"] * 50


def test_each_domain_gets_the_model_that_answers_it_best() -> None:
    """Its specialist or not."""
    arms = [
        arm("auto", [0] * 100),
        arm("generalist", [0] * 50 + [1] * 50),
        arm("oracle", [1] * 50 + [0] * 50, list_cost=[3] * 100),
        arm("other", [0.5] * 100),
    ]

    found = domain_oracle(sample_of(arms, HALVES))

    assert found.quality.tolist() == [1] * 100
    assert found.list_cost[:50].tolist() == [3] * 50
    assert found.models == ("oracle",) * 50 + ("generalist",) * 50


def test_without_anybody_else_there_is_no_oracle() -> None:
    """The router and its controls are none."""
    arms = [arm(name, [1] * 100) for name in ("auto", "generalist", "shuffle")]

    assert domain_oracle(sample_of(arms, HALVES)) is None


def test_the_share_of_the_way_is_that_of_the_means() -> None:
    """From 0.2 to 0.6 it is 0.4; auto at 0.5 goes three quarters of it."""
    rng = np.random.default_rng(0)
    generalist = (np.arange(100) < 20).astype(float)
    auto, oracle = (np.arange(100) < 50).astype(float), (np.arange(100) < 60).astype(float)
    arms = [arm("auto", auto), arm("generalist", generalist)]

    found = gap_closed(sample_of(arms, rng.permutation(HALVES).tolist()), arm("oracle", oracle))

    assert found.width.value == pytest.approx(0.4)
    assert found.closed.value == pytest.approx(0.75)
    assert 0.5 < found.closed.low < 0.75 < found.closed.high < 0.95


def test_where_there_is_no_way_there_is_no_share() -> None:
    """An oracle that is no better than the generalist: nobody divides by that."""
    arms = [arm("auto", [0, 1] * 50), arm("generalist", [1, 0] * 50)]

    found = gap_closed(sample_of(arms, HALVES), arm("oracle", [1, 0] * 50))

    assert found.closed is None
    assert found.width.value == 0
