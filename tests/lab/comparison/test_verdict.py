"""From figures to a line that can be read."""

from dataclasses import replace

import numpy as np
import pytest

from lab.comparison.analysis import Terms, analyse
from lab.comparison.figures import Figures
from lab.comparison.prices import Prices
from lab.comparison.rows import Turn
from lab.comparison.states import control_state, cost_state, quality_state
from lab.comparison.verdict import Verdict, verdict
from lab.statistics.interval import Interval
from lab.statistics.paired import Paired, paired
from tests.lab.comparison.samples import arm, sample_of

ROWS = 400
TERMS = Terms(margin=0.02, concurrency=4, seed=0, prices=Prices(), requests_per_hour=3600)


def share(right: int) -> np.ndarray:
    """So many right answers of 400, the first ones."""
    return (np.arange(ROWS) < right).astype(float)


def pair(wins: int, losses: int, rows: int = ROWS) -> Paired:
    first = np.array([1.0] * wins + [0.0] * (rows - wins))
    second = np.array([0.0] * (rows - losses) + [1.0] * losses)
    return paired(first, second, np.arange(rows), "test")


def figures(
    auto: int, generalist: int, shuffle: int | None = None, cost: float | None = 0.5
) -> Figures:
    """Of arms with so many right answers of 400, and auto at this share of the baseline's cost."""
    prices = None if cost is None else [cost] * ROWS
    arms = [
        arm("auto", share(auto), list_cost=prices or [None] * ROWS, models=["a", "b"] * 200),
        arm("generalist", share(generalist), list_cost=[1.0] * ROWS),
    ]
    if shuffle is not None:
        arms.append(arm("shuffle", share(shuffle)))
    return analyse(sample_of(arms), TERMS)


def judged(*arms: int | None, cost: float | None = 0.5) -> Verdict:
    return verdict(figures(*arms, cost=cost), TERMS.margin)


@pytest.mark.parametrize(
    ("wins", "losses", "rows", "state"),
    [
        (40, 5, 400, "better"),
        (5, 40, 400, "worse"),
        (0, 0, 400, "as good"),
        (0, 0, 50, "cannot tell"),
        (30, 30, 400, "cannot tell"),
        (4, 0, 2000, "as good"),
        (0, 9, 2000, "as good"),  # surely worse, and surely by less than the margin
    ],
)
def test_quality_is_better_as_good_worse_or_not_known(
    wins: int, losses: int, rows: int, state: str
) -> None:
    """By interval, exact test, and a margin of two points."""
    assert quality_state(pair(wins, losses, rows), 0.02) == state


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (Interval(-0.3, -0.4, -0.2), "cheaper"),
        (Interval(0.3, 0.2, 0.4), "dearer"),
        (Interval(-0.1, -0.3, 0.1), "same"),
        (Interval(0.0, 0.0, 0.0), "same"),
        (None, "unknown"),
    ],
)
def test_cost_is_cheaper_dearer_or_neither(found: Interval | None, state: str) -> None:
    """By its interval."""
    assert cost_state(found) == state


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (pair(40, 5), "content pays"),
        (pair(5, 40), "worse than a mix"),
        (pair(0, 0), "adds nothing"),
        (pair(30, 30), "cannot tell"),
        (None, "unknown"),
    ],
)
def test_the_control_tells_whether_content_matters(found: Paired | None, state: str) -> None:
    """Beside a mix that does not look at it."""
    assert control_state(found, 0.02) == state


def undecided() -> Verdict:
    """Half of the answers right on either side, and never the same half."""
    arms = [
        arm("auto", share(199), list_cost=[0.5] * ROWS, models=["a", "b"] * 200),
        arm("generalist", share(200)[::-1], list_cost=[1.0] * ROWS),
    ]
    return verdict(analyse(sample_of(arms), TERMS), TERMS.margin)


@pytest.mark.parametrize(
    ("auto", "generalist", "cost", "kind"),
    [
        (300, 200, 0.5, "Better and cheaper"),
        (300, 200, 1.0, "Better, at no other cost"),
        (300, 200, 2.0, "Better and dearer"),
        (300, 200, None, "Better; the cost is not known"),
        (200, 200, 0.5, "As good and cheaper"),
        (200, 200, 1.0, "As good, and not cheaper"),
        (200, 300, 0.5, "Cheaper but worse"),
        (200, 300, 2.0, "Worse and dearer"),
    ],
)
def test_every_verdict_has_a_name(
    auto: int, generalist: int, cost: float | None, kind: str
) -> None:
    """The first words of the first line."""
    found = judged(auto, generalist, cost=cost)

    assert found.kind == kind
    assert found.line.startswith(f"{kind}: ")


def test_the_line_tells_savings_quality_and_how_sure() -> None:
    """In one sentence."""
    assert judged(300, 200, 60).line == (
        "Better and cheaper: routing saves 50.0 % (50.0 % to 50.0 %) of the list price, with "
        "quality 25.0 points higher (+20.6 to +29.4); 95 % intervals, 400 prompts."
    )


def test_a_mix_that_does_as_well_is_in_the_line() -> None:
    """Nobody should have to look for it."""
    found = judged(300, 200, 300)

    assert found.control == "adds nothing"
    assert "a mix of the same models that does not look at the prompt does as well" in found.line
    assert found.notes[0].startswith("Routing adds nothing over a mix: +0.0 points")
    assert not found.good


def test_looking_at_the_prompt_pays_where_a_mix_is_worse() -> None:
    """And that is the first note."""
    found = judged(300, 200, 100)

    assert found.good
    assert found.notes[0].startswith("Looking at the prompt pays: +50.0 points")


def test_without_routes_the_mix_is_not_known() -> None:
    """As with another gateway."""
    assert "is not known" in judged(300, 200).notes[0]


def test_too_few_prompts_say_how_many_would_do() -> None:
    """When it cannot be told."""
    found = undecided()

    assert found.kind == "Cheaper; quality cannot be told"
    assert any(note.startswith("Too few prompts: ") for note in found.notes)


def test_the_margin_is_told() -> None:
    """What as good means."""
    assert any("not worse by 2.0 points or more" in note for note in judged(1, 1).notes)


def test_the_cost_that_decides_can_be_chosen() -> None:
    """One that is not known decides nothing."""
    found = verdict(figures(300, 200), TERMS.margin, "attributed")

    assert (found.cost, found.cost_kind) == ("unknown", "attributed")


def test_failures_and_single_routes_are_told() -> None:
    """What makes figures look other than they are."""
    auto = arm("auto", share(200), models=["a"] * ROWS)
    failed = np.arange(ROWS) < 12
    auto = type(auto)(**{**vars(auto), "failed": failed})
    sample = sample_of([auto, arm("generalist", share(200))])

    notes = verdict(analyse(sample, TERMS), 0.02).notes

    assert "12 of 400 requests of auto failed and count as wrong." in notes
    assert "auto sent everything to a: nothing was routed." in notes
    assert "No cost is known; name a file of prices with --prices." in notes


def test_very_few_prompts_are_told() -> None:
    """Their intervals are rough."""
    arms = [arm("auto", [1] * 9), arm("generalist", [1] * 9)]

    notes = verdict(analyse(sample_of(arms), TERMS), 0.02).notes

    assert any(note.startswith("Only 9 independent prompts") for note in notes)


def test_it_is_told_that_the_generalist_had_longer_prompts() -> None:
    """A saving may come from them alone."""
    arms = [arm(name, share(300), list_cost=[1.0] * ROWS) for name in ("auto", "generalist")]
    sample = sample_of(arms)
    told = replace(
        sample.rows[0], generalist_chat=(Turn(role="user", content="Answer in SQL. <why>?"),)
    )
    rows = (told, *sample.rows[1:])

    plain = verdict(analyse(sample, TERMS), TERMS.margin)
    found = verdict(analyse(replace(sample, rows=rows), TERMS), TERMS.margin)

    [note] = set(found.notes) - set(plain.notes)
    assert note.startswith("On 1 of 400 prompts the generalist was told")
