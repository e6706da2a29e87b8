"""Evidence: what pairs of answers say about a specialist."""

import math
from itertools import permutations

import numpy as np
import pytest

from router.selection.evidence import Evidence, Pair

MARGIN = 0.02


def after(pairs):
    evidence = Evidence()
    for specialist, generalist in pairs:
        evidence = evidence.after(Pair(specialist, generalist), MARGIN)
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
