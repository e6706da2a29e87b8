"""Evidence: what pairs of answers say about a specialist."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.selection.evidence import Evidence, Pair

MARGIN = 0.02
SCORES = st.floats(0, 1)


def after(pairs):
    evidence = Evidence()
    for specialist, generalist in pairs:
        evidence = evidence.after(Pair(specialist, generalist), MARGIN)
    return evidence


def weighed(pairs, point_worth):
    """Evidence of (specialist, generalist, expense)."""
    evidence = Evidence()
    for specialist, generalist, expense in pairs:
        pair = Pair(specialist, generalist, expense=expense)
        evidence = evidence.after(pair, MARGIN, point_worth)
    return evidence


def times(count, specialist, generalist):
    return [(specialist, generalist)] * count


def test_nothing_is_known_at_first():
    """Without pairs every e-value is one, and there is no interval."""
    found = Evidence().e_values(MARGIN)
    assert (found.worse, found.worse_lately, found.not_worse, found.better) == pytest.approx(
        (0,) * 4
    )
    assert Evidence().quality(0.05) is None


@pytest.mark.parametrize("bad", [(-0.1, 0.5), (0.5, 1.1), (math.nan, 0.5)])
def test_a_score_out_of_bounds_is_refused(bad):
    """Bets are fair on scores in [0, 1] alone."""
    with pytest.raises(ValueError, match=r"not in \[0, 1\]"):
        Pair(*bad)


def test_a_difference_that_is_no_number_is_refused():
    """One infinite latency would spoil all means for ever."""
    with pytest.raises(ValueError, match="inf"):
        Pair(1.0, 0.0, latency_seconds=math.inf)


def test_a_bad_specialist_is_found_to_be_worse():
    """Losses are evidence for worse, and against better and no worse."""
    found = after(times(20, 0.0, 1.0) + times(20, 1.0, 1.0)).e_values(MARGIN)
    assert min(found.worse, found.worse_lately) > math.log(100)
    assert max(found.not_worse, found.better) < 0


def test_a_good_specialist_is_found_to_be_better():
    """Wins are evidence for better, and more so for no worse."""
    found = after(times(20, 1.0, 0.0) + times(20, 1.0, 1.0)).e_values(MARGIN)
    assert found.not_worse > found.better > math.log(100)
    assert found.worse < 0


def test_ties_are_evidence_for_no_worse_alone():
    """Who always scores the same is not worse by the margin, and not better."""
    found = after(times(400, 1.0, 1.0)).e_values(MARGIN)
    assert found.not_worse > math.log(100)
    assert found.better == pytest.approx(0)


def test_the_order_of_pairs_matters_to_the_latest_alone():
    """All e-values but that of the late alarm follow from counts."""
    pairs = [(0.0, 1.0), (1.0, 0.0), (0.4, 0.1), (0.4, 0.1)]
    orders = [after(order) for order in permutations(pairs)]
    assert len({order.counts for order in orders}) == 1
    assert len({order.e_values(MARGIN).better for order in orders}) == 1
    assert len({order.e_values(MARGIN).worse_lately for order in orders}) > 1


def test_a_specialist_that_turns_bad_late_is_noticed():
    """After many good pairs the late alarm rings while the other test still has to win back."""
    evidence = after(times(300, 1.0, 0.0) + times(100, 0.0, 1.0))
    found = evidence.e_values(MARGIN)
    assert found.worse_lately > math.log(20_000)
    assert found.worse < 0


def test_differences_of_three_decimals_are_told_apart():
    """Scores are rounded to three decimals, and equal differences counted together."""
    evidence = after([(0.5004, 0.2), (0.7, 0.4), (0.7014, 0.4)])
    assert evidence.counts == ((300, 2), (301, 1))


def test_the_interval_agrees_with_the_tests():
    """Where `better` reaches 2 / level, the interval at that level lies above zero, else not."""
    for wins in range(5, 60):
        evidence = after(times(wins, 1.0, 0.0) + times(40, 1.0, 1.0) + times(4, 0.0, 1.0))
        proven = evidence.e_values(MARGIN).better >= math.log(2 / 0.05)
        assert (evidence.quality(0.05).low > 0) == proven


def test_means_and_other_differences_are_kept():
    """The scores' means, and the differences in latency and cost, are those of the pairs."""
    evidence = Evidence()
    for latency, cost in [(1.0, -0.5), (2.0, -1.5)]:
        evidence = evidence.after(Pair(1.0, 0.5, latency, cost), MARGIN)
    assert (evidence.pairs, evidence.specialist.mean, evidence.generalist.mean) == (2, 1.0, 0.5)
    assert (evidence.latency_seconds.mean, evidence.cost.mean) == (1.5, -1.0)
    assert evidence.quality(0.05).mean == pytest.approx(0.5)


def test_the_interval_narrows_around_the_mean():
    """With more pairs of the same kind the interval gets narrower, and keeps the mean."""
    widths = []
    for scale in (1, 4, 16):
        found = after(times(12 * scale, 1.0, 0.0) + times(8 * scale, 0.0, 1.0)).quality(0.05)
        assert found.low < found.mean < found.high
        widths.append(found.high - found.low)
    assert np.all(np.diff(widths) < 0)


@pytest.mark.parametrize(
    ("expense", "net"),
    [(-0.002, 0.02), (0.004, -0.04), (0.0, 0.0), (-5.0, 1.0), (5.0, -1.0)],
    ids=["saves two points' worth", "costs four", "costs the same", "saves a lot", "costs a lot"],
)
def test_expense_counts_as_quality_and_as_at_most_a_grade(expense, net):
    """At a thousandth a point, two thousandths are two points."""
    assert Pair(0.5, 0.5, expense=expense).net(0.001) == pytest.approx(net)


def test_expense_is_nothing_to_quality():
    """Without a worth it moves no test; with one, the interval of quality is as without."""
    pairs = [(0.0, 1.0, -0.5), (1.0, 0.0, -0.5), (1.0, 1.0, -0.5)] * 5
    alone = after([(specialist, generalist) for specialist, generalist, _ in pairs])
    unweighed = weighed(pairs, None)
    assert unweighed.e_values(MARGIN) == alone.e_values(MARGIN)
    assert unweighed.net(0.05) is None
    assert weighed(pairs, 0.01).quality(0.05) == alone.quality(0.05)


@given(st.lists(st.tuples(SCORES, SCORES, st.floats(-10, 0)), min_size=1, max_size=30))
def test_the_more_a_point_is_worth_the_less_savings_excuse(pairs):
    """Who saves is never found worse sooner, nor better later, where a point is worth less."""
    found = [weighed(pairs, worth).e_values(MARGIN) for worth in (1e-4, 1e-3, 1e-2, 1.0)]
    for cheap, dear in pairwise(found):
        assert dear.worse >= cheap.worse - 1e-9
        assert dear.worse_lately >= cheap.worse_lately - 1e-9
        assert dear.not_worse <= cheap.not_worse + 1e-9
        assert dear.better <= cheap.better + 1e-9


@given(st.lists(st.tuples(SCORES, SCORES, st.floats(-1, 1)), min_size=1, max_size=20))
def test_the_unit_of_money_does_not_matter(pairs):
    """In units that are a quarter, four times as many of them say the same."""
    quarters = [(specialist, generalist, 4 * expense) for specialist, generalist, expense in pairs]
    assert weighed(quarters, 0.04).net_counts == weighed(pairs, 0.01).net_counts


def test_the_net_interval_agrees_with_the_tests():
    """Where `better` reaches 2 / level, the net interval at that level lies above zero alone."""
    proven = []
    for savings in np.linspace(0.0, 0.95, 40):
        evidence = weighed([(0.0, 1.0, -savings), (1.0, 1.0, -savings)] * 60, 0.01)
        found = evidence.net(0.05)
        assert found.low < found.mean < found.high
        proven.append(evidence.e_values(MARGIN).better >= math.log(2 / 0.05))
        assert (found.low > 0) == proven[-1]
    assert len(set(proven)) == 2


def test_a_net_mean_is_of_quality_less_expense():
    """Half a grade lost, and thirty points' worth saved."""
    assert weighed([(0.5, 1.0, -0.3)] * 3, 0.01).net(0.05).mean == pytest.approx(-0.2)
