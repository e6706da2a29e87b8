"""From figures to a line that can be read."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from lab.comparison.analysis import AnalysisSettings, analyse
from lab.comparison.figures import Figures
from lab.comparison.prices import Prices
from lab.comparison.rows import Turn
from lab.comparison.verdict import Verdict, control_state, cost_state, quality_state, verdict
from lab.statistics.interval import Interval
from lab.statistics.paired import Paired, compare_paired
from tests.lab.comparison.samples import arm, sample_of

ROWS = 400
TERMS = AnalysisSettings(0.02, concurrency=4, seed=0, prices=Prices(), requests_per_hour=3600)
CHEAP, SAME, DEAR = Interval(-0.5, -0.6, -0.4), Interval(0, -0.1, 0.1), Interval(1, 0.9, 1.1)


def pair(wins: int, losses: int, rows: int = ROWS) -> Paired:
    first = np.array([1.0] * wins + [0.0] * (rows - wins))
    second = np.array([0.0] * (rows - losses) + [1.0] * losses)
    return compare_paired(first, second, np.arange(rows), "test")


@cache
def base() -> Figures:
    """Of three arms that are all right."""
    arms = [arm(name, [1.0] * ROWS) for name in ("auto", "generalist", "shuffle")]
    return analyse(sample_of(arms), TERMS)


def figures(quality: Paired, cost: Interval | None = None, mix: Paired | None = None) -> Figures:
    """Of auto against the generalist, and against the shuffle, where it was asked."""
    main, control = base().pair("auto", "generalist"), base().pair("auto", "shuffle")
    pairs = (replace(main, quality=quality, costs=main.costs | {"list": cost}),)
    if mix is not None:
        pairs += (replace(control, quality=mix),)
    return replace(base(), pairs=pairs)


def judged(quality: Paired, cost: Interval | None = None, mix: Paired | None = None) -> Verdict:
    return verdict(figures(quality, cost, mix), TERMS.margin)


@pytest.mark.parametrize(
    ("wins", "losses", "rows", "state"),
    [
        (40, 5, 400, "better"),
        (5, 40, 400, "worse"),
        (0, 0, 400, "as good"),
        (0, 0, 50, "inconclusive"),
        (30, 30, 400, "inconclusive"),
        (4, 0, 2000, "as good"),
        (0, 9, 2000, "as good"),  # shown to be worse, and by less than the margin
    ],
)
def test_quality_is_better_as_good_worse_or_inconclusive(
    wins: int, losses: int, rows: int, state: str
) -> None:
    """By interval, exact test, and a margin of two points."""
    assert quality_state(pair(wins, losses, rows), 0.02) == state


@pytest.mark.parametrize(
    ("found", "state"),
    [
        pytest.param(CHEAP, "cheaper", id="below zero"),
        pytest.param(DEAR, "more expensive", id="above zero"),
        pytest.param(SAME, "same", id="around zero"),
        pytest.param(Interval(0.0, 0.0, 0.0), "same", id="zero"),
        pytest.param(None, "unknown", id="unknown"),
    ],
)
def test_cost_is_cheaper_more_expensive_or_neither(found: Interval | None, state: str) -> None:
    """By its interval."""
    assert cost_state(found) == state


@pytest.mark.parametrize(
    ("found", "state"),
    [
        pytest.param(pair(40, 5), "content matters", id="wins"),
        pytest.param(pair(5, 40), "worse than a mix", id="loses"),
        pytest.param(pair(0, 0), "adds nothing", id="alike"),
        pytest.param(pair(30, 30), "inconclusive", id="wide"),
        pytest.param(None, "unknown", id="not asked"),
    ],
)
def test_the_control_tells_whether_content_matters(found: Paired | None, state: str) -> None:
    """Against a mix that ignores it."""
    assert control_state(found, 0.02) == state


@pytest.mark.parametrize(
    ("quality", "cost", "kind", "good"),
    [
        pytest.param(pair(100, 0), CHEAP, "Better and cheaper", True, id="better, cheaper"),
        pytest.param(pair(100, 0), SAME, "Better at the same cost", True, id="better, same"),
        pytest.param(pair(100, 0), DEAR, "Better and more expensive", False, id="better, dear"),
        pytest.param(pair(100, 0), None, "Better; cost unknown", False, id="better, unknown"),
        pytest.param(pair(0, 0), CHEAP, "As good and cheaper", True, id="as good, cheaper"),
        pytest.param(pair(0, 0), SAME, "As good, and not cheaper", False, id="as good, same"),
        pytest.param(pair(0, 99), CHEAP, "Cheaper but worse", False, id="worse, cheaper"),
        pytest.param(pair(0, 99), DEAR, "Worse and more expensive", False, id="worse, dear"),
        pytest.param(
            pair(30, 30), CHEAP, "Cheaper; quality inconclusive", False, id="inconclusive"
        ),
    ],
)
def test_every_verdict_has_a_name(
    quality: Paired, cost: Interval | None, kind: str, good: bool
) -> None:
    """The first words of the first line."""
    found = judged(quality, cost)

    assert (found.kind, found.good) == (kind, good)
    assert found.line.startswith(f"{kind}: ")


def test_the_line_has_savings_and_quality_with_their_intervals() -> None:
    """In one sentence."""
    line = judged(pair(100, 0), CHEAP).line

    for part in ("50.0 % (40.0 % to 60.0 %)", "25.0 points", "(+20.", "400 prompts"):
        assert part in line


def test_a_mix_that_does_as_well_makes_routing_no_good() -> None:
    """The difference to it is in the first note."""
    found = judged(pair(100, 0), CHEAP, pair(0, 0))

    assert (found.control, found.good) == ("adds nothing", False)
    assert "+0.0 points" in found.notes[0]


def test_routing_is_good_where_a_mix_is_worse() -> None:
    """The difference to it is in the first note."""
    found = judged(pair(100, 0), CHEAP, pair(200, 0))

    assert (found.control, found.good) == ("content matters", True)
    assert "+50.0 points" in found.notes[0]


def test_without_routes_the_control_is_unknown() -> None:
    """As with another gateway."""
    assert judged(pair(100, 0)).control == "unknown"


def test_too_few_prompts_say_how_many_would_do() -> None:
    """Where quality is inconclusive."""
    found = replace(figures(pair(30, 30)), needed_rows=4321)

    assert any("4,321" in note for note in verdict(found, TERMS.margin).notes)


def test_the_margin_is_in_the_notes() -> None:
    """What as good means."""
    assert any("2.0 points" in note for note in judged(pair(0, 0)).notes)


def test_the_cost_that_decides_can_be_chosen() -> None:
    """One that is not known decides nothing."""
    found = verdict(figures(pair(100, 0), CHEAP), TERMS.margin, "attributed")

    assert (found.cost, found.cost_kind) == ("unknown", "attributed")


def test_failures_and_single_routes_are_cautions() -> None:
    """They make figures look other than they are."""
    auto = replace(base().arm("auto"), failed=12, models={"small": ROWS})
    found = replace(figures(pair(0, 0)), arms=(auto, *base().arms[1:]))

    new = set(verdict(found, TERMS.margin).notes) - set(judged(pair(0, 0)).notes)

    assert any("12 of 400" in note for note in new)
    assert any("small" in note for note in new)


def test_without_any_cost_the_option_for_prices_is_named() -> None:
    """It is the remedy."""
    assert any("--prices" in note for note in judged(pair(0, 0)).notes)


def test_very_few_prompts_are_a_caution() -> None:
    """Their intervals are rough."""
    found = replace(figures(pair(0, 0)), groups=9)

    assert any("9 independent" in note for note in verdict(found, TERMS.margin).notes)


def test_a_failed_a_a_test_is_a_caution() -> None:
    """Intervals that differ too often are not to be trusted."""
    found = replace(figures(pair(0, 0)), aa_test=replace(base().aa_test, without_difference=80))

    assert any("20 of 100" in note for note in verdict(found, TERMS.margin).notes)


def test_longer_prompts_of_the_generalist_are_counted() -> None:
    """A saving may come from them alone."""
    sample = sample_of([arm(name, [1.0] * 40) for name in ("auto", "generalist")])
    longer = (Turn(role="user", content="Answer in SQL. <why>?"),)
    rows = (replace(sample.rows[0], generalist_chat=longer), *sample.rows[1:])

    assert analyse(replace(sample, rows=rows), TERMS).rephrased == 1


def test_longer_prompts_of_the_generalist_are_a_note_on_its_cost() -> None:
    """With their number."""
    found = replace(figures(pair(0, 0), CHEAP), rephrased=7)

    assert any("7 of 400" in note for note in verdict(found, TERMS.margin).notes)
