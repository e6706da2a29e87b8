"""The routing guarantee: the threshold it finds, what it says of it, and when it finds none."""

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from router.guarantee import guarantee, threshold_grid

DELTA = 0.05
NEVER = -np.inf
GRID = np.linspace(0.8, 0.0, 17)  # on confidences drawn evenly: the top 20 % to all


def misroute(confidence, loss, grid=(0.5,), alpha=0.05):
    return guarantee(confidence, loss, grid, alpha, DELTA, "misroute")


def excess(confidence, loss, grid=(0.5,), alpha=0.05):
    return guarantee(confidence, loss, grid, alpha, DELTA, "excess_loss")


def errors(wrong, rows):
    """Losses with so many errors, the first rows."""
    return np.repeat([1.0, 0.0], [wrong, rows - wrong])


def test_the_grid_goes_from_the_top_fifth_to_all_that_is_routed():
    """Of a hundred routed rows each threshold accepts its share and one, the loosest all."""
    confidence = np.append(np.linspace(0.5, 0.995, 100), [NEVER] * 50)
    grid = threshold_grid(confidence, steps=9)
    assert [(confidence >= threshold).sum() for threshold in grid] == [*range(21, 100, 10), 100]


def test_equal_thresholds_are_merged():
    """Two confidences make two thresholds, the larger first."""
    assert threshold_grid([0.5] * 50 + [0.9] * 50).tolist() == [0.9, 0.5]


def test_a_single_step_accepts_all():
    """One step is the smallest confidence."""
    assert threshold_grid([0.9, 0.6, 0.7], steps=1).tolist() == [0.6]


@pytest.mark.parametrize(
    ("confidence", "steps", "named"),
    [
        ([NEVER, NEVER], 5, "validation_confidence"),
        ([], 5, r"validation_confidence.*\(0,\)"),
        ([[0.5]], 5, r"validation_confidence.*\(1, 1\)"),
        ([0.5, np.nan], 5, r"validation_confidence\[1\].*nan"),
        ([0.5], 0, r"steps.*0"),
    ],
    ids=["all general", "empty", "two axes", "not a number", "no steps"],
)
def test_rows_that_make_no_grid_are_refused(confidence, steps, named):
    """The error names what is wrong."""
    with pytest.raises(ValueError, match=named):
        threshold_grid(confidence, steps)


@pytest.mark.parametrize(("wrong", "rows"), [(0, 80), (2, 150), (13, 500)])
def test_the_bound_on_misroutes_is_that_of_clopper_and_pearson(wrong, rows):
    """With one threshold all of delta is spent on it: the bound is the exact one-sided one."""
    found = misroute(np.full(rows, 0.9), errors(wrong, rows))
    exact = binomtest(wrong, rows).proportion_ci(1 - 2 * DELTA, method="exact").high
    assert found.bound == pytest.approx(exact)
    assert (found.routed, found.observed) == (rows, wrong / rows)


@pytest.mark.parametrize(("wrong", "rows"), [(0, 80), (2, 150), (13, 500)])
def test_a_threshold_is_found_from_the_exact_bound_on(wrong, rows):
    """Alpha at the bound is feasible, a hair below it is not."""
    exact = binomtest(wrong, rows).proportion_ci(1 - 2 * DELTA, method="exact").high
    rows_of = np.full(rows, 0.9), errors(wrong, rows)
    assert misroute(*rows_of, alpha=exact + 1e-9).threshold == 0.5
    assert misroute(*rows_of, alpha=exact - 1e-9).threshold is None


def test_the_bound_on_excess_loss_is_where_it_begins_to_be_feasible():
    """Alpha above the bound is feasible with the same bound, alpha below it is not."""
    losses = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=400)
    confidence = np.full(400, 0.9)
    bound = excess(confidence, losses, alpha=0.2).bound
    assert losses.mean() < bound < 0.1
    assert excess(confidence, losses, alpha=bound + 1e-9).threshold == 0.5
    assert excess(confidence, losses, alpha=bound - 1e-9).threshold is None


def test_the_loosest_threshold_that_is_good_enough_is_taken():
    """Where all errors lie below 0.6 the threshold just above them is found."""
    confidence = np.linspace(0.2, 0.999, 800)
    found = misroute(confidence, confidence < 0.6, np.linspace(0.9, 0.2, 15))
    assert found.threshold == pytest.approx(0.6)
    assert found.routed == (confidence >= 0.6).sum()


def test_what_goes_to_the_generalist_anyway_has_no_say():
    """Rows that are never routed count in the share alone, even with a loss that is no number."""
    confidence, loss = np.full(100, 0.9), np.zeros(100)
    with_general = misroute([*confidence, NEVER, NEVER], [*loss, 1.0, np.nan])
    assert with_general.bound == misroute(confidence, loss).bound
    assert (with_general.routed, with_general.rows) == (100, 102)
    assert with_general.share == pytest.approx(100 / 102)


def test_an_error_at_the_very_top_does_not_end_the_search():
    """The strictest threshold fails, and a later start still finds that all can be routed."""
    confidence = np.linspace(0.999, 0.0, 1000)
    loss = errors(15, 1000)
    assert misroute(confidence, loss, GRID[:1]).threshold is None
    assert misroute(confidence, loss, GRID).threshold == 0


def test_a_threshold_without_a_start_needs_its_predecessor():
    """What the third of five thresholds alone would allow is not taken when the second fails."""
    confidence = np.repeat([0.9, 0.7, 0.5, 0.3, 0.1], [20, 80, 420, 100, 100])
    loss = np.concatenate([errors(0, 20), errors(10, 80), errors(0, 420), np.ones(200)])
    grid = [0.9, 0.7, 0.5, 0.3, 0.1]
    assert misroute(confidence, loss, grid[2:3]).threshold == 0.5
    assert misroute(confidence, loss, grid).threshold is None


def test_a_probability_that_is_rounded_above_one_is_one():
    """A sum of rounded probabilities is not refused."""
    assert misroute(np.full(100, 1 + 1e-7), np.zeros(100)).threshold == 0.5


def test_the_order_of_the_grid_does_not_matter():
    """The thresholds are sorted and doubles dropped."""
    confidence = np.linspace(0.0, 0.999, 600)
    loss = confidence < 0.1
    assert misroute(confidence, loss, [*GRID[::-1], *GRID]) == misroute(confidence, loss, GRID)


@pytest.mark.parametrize("bounded", [misroute, excess])
def test_a_larger_alpha_never_routes_less(bounded):
    """The share grows with alpha, from nothing to all."""
    rng = np.random.default_rng(3)
    confidence = rng.random(1500)
    loss = rng.random(1500) > 0.8 + 0.2 * confidence
    shares = [bounded(confidence, loss, GRID, a).share for a in np.linspace(0.005, 0.2, 40)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def test_the_sentence_says_what_is_guaranteed_and_for_how_many():
    """Risk, probability, share and threshold stand in one line."""
    confidence = np.repeat([0.9, NEVER], [150, 50])
    sentence = misroute(confidence, np.zeros(200)).sentence()
    assert "wrong specialist" in sentence
    for fact in ("probability 0.95", "at most 0.05", "75.0%", ">= 0.5", "150 of 200", "0.01977"):
        assert fact in sentence


def test_the_sentence_names_the_excess_over_the_generalist():
    """The other risk is a difference of scores."""
    sentence = excess(np.full(200, 0.9), np.full(200, -1.0)).sentence()
    for fact in ("probability 0.95", "at most 0.05 below the generalist", "100.0%"):
        assert fact in sentence


@pytest.mark.parametrize(("rows", "feasible"), [(58, False), (59, True)])
def test_too_few_rows_are_said_to_be_too_few(rows, feasible):
    """Fifty-nine rows without an error suffice for 0.05 at 0.95; with one less they are asked for.

    0.95 ** 59 < 0.05 < 0.95 ** 58.
    """
    found = misroute(np.full(rows, 0.9), np.zeros(rows))
    assert (found.threshold is not None) == feasible
    if not feasible:
        assert found.sentence() == f"infeasible: {found.reason}"
        for fact in ("too few rows", "58 of the 58", ">= 0.5", "at least 59"):
            assert fact in found.reason
        for remedy in ("calibration rows", "alpha (0.05)", "delta (0.05)"):
            assert remedy in found.reason


def test_the_ties_that_are_asked_for_are_nearly_enough():
    """With a tenth more ties than asked for, the excess loss is bounded; with fewer it is not."""
    found = excess(np.full(10, 0.9), np.zeros(10))
    needed = int(found.reason.split("at least ")[1].split()[0])
    assert excess(np.full(needed - 1, 0.9), np.zeros(needed - 1)).threshold is None
    more = math.ceil(1.1 * needed)
    assert excess(np.full(more, 0.9), np.zeros(more)).threshold == 0.5


def test_no_routable_row_is_too_few():
    """When all goes to the generalist, nothing can be promised."""
    found = excess(np.full(30, NEVER), np.full(30, np.nan))
    assert (found.threshold, found.routed, found.share, found.bound) == (None, 0, 0, 1)
    assert found.reason.startswith("too few rows: 0 of the 30 ")


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [(100, "Improve"), (45, "Add calibration rows")],
    ids=["risk above alpha", "risk just below alpha"],
)
def test_a_risk_that_is_too_high_is_said_to_be(wrong, remedy):
    """The smallest bound is named, and more rows are asked for only where they can help."""
    found = misroute(np.full(1000, 0.9), errors(wrong, 1000))
    assert found.threshold is None
    fault, _, end = found.reason.partition(". ")
    for fact in ("too high", f"{found.bound:.4g}", ">= 0.5", f"{wrong / 1000} on 1000", "0.05"):
        assert fact in fault
    assert end.startswith(remedy)
    assert "raise alpha" in end
    assert 0.05 < found.bound < 0.13


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"alpha": 0}, r"alpha.*0"),
        ({"alpha": np.nan}, r"alpha.*nan"),
        ({"delta": 1.0}, r"delta.*1\.0"),
        ({"risk": "harm"}, r"risk.*misroute, excess_loss.*harm"),
        ({"confidence": []}, r"confidence.*\(0,\)"),
        ({"confidence": [0.9, np.nan]}, r"confidence\[1\].*nan"),
        ({"confidence": [0.9, np.inf]}, r"confidence\[1\].*inf$"),
        ({"confidence": [1.1, 0.9]}, r"confidence\[0\].*1\.1"),
        ({"loss": [0]}, r"loss.*\(1,\).*\(2,\)"),
        ({"loss": [0, 0.5]}, r"loss\[1\].*0\.5"),
        ({"loss": [np.nan, 0]}, r"loss\[0\].*nan"),
        ({"loss": [0, -1.5], "risk": "excess_loss"}, r"loss\[1\].*-1\.5"),
        ({"loss": [0, np.nan], "risk": "excess_loss"}, r"loss\[1\].*nan"),
        ({"grid": []}, "grid"),
        ({"grid": [0.5, NEVER]}, "grid"),
    ],
    ids=[
        *("alpha 0", "alpha nan", "delta 1", "no such risk"),
        *("no confidence", "confidence nan", "confidence inf", "confidence above 1"),
        *("too few losses", "half a misroute", "misroute nan", "loss below -1", "loss nan"),
        *("no grid", "grid with -inf"),
    ],
)
def test_arguments_out_of_range_are_refused(changed, named):
    """The error names the argument, where it is wrong, and what would be right."""
    good = {"confidence": [0.9, 0.8], "loss": [0, 1], "grid": [0.5], "alpha": 0.1, "delta": 0.1}
    with pytest.raises(ValueError, match=named):
        guarantee(**{**good, "risk": "misroute", **changed})


def test_a_single_threshold_is_exact():
    """With one threshold the chance to violate is that of the binomial tail, never above delta."""
    for rows in range(59, 400, 20):
        passing = [
            wrong
            for wrong in range(30)
            if misroute(np.full(rows, 0.9), errors(wrong, rows)).threshold is not None
        ]
        chance = binom.cdf(max(passing), rows, 0.05)
        assert chance <= DELTA < binom.cdf(max(passing) + 1, rows, 0.05)
