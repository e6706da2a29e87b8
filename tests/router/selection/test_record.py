"""Records: evidence, the operator and new versions move specialists."""

import math
from dataclasses import replace

import numpy as np
import pytest

from router.config import SelectionConfig
from router.errors import UnknownTransition
from router.selection.evidence import Pair
from router.selection.lifecycle import Event, State
from router.selection.moments import Moments
from router.selection.record import (
    Rules,
    SpecialistRecord,
    Version,
    apply_event,
    claims,
    compare,
    record_pair,
    register,
)

RULES = Rules(SelectionConfig(), specialists=1)
V1 = Version("a1", "base")
LOSS, WIN, TIE = Pair(0.0, 1.0, 0.1, -1.0), Pair(1.0, 0.0, 0.1, -1.0), Pair(1.0, 1.0, 0.1, -1.0)


def record(state=State.ACTIVE, **changes):
    return SpecialistRecord(**{"state": state, "since": 0.0, "version": V1} | changes)


def weighing(point_worth):
    """Rules with a worth of a point of quality, in currency units."""
    return Rules(SelectionConfig(quality_point_worth=point_worth), specialists=1)


def worse_and_cheaper(count, seed=1):
    """Ten points are lost in each pair on average, and 0.004 saved: break-even is at 0.0004."""
    chance = np.random.default_rng(seed)
    lost, saved = chance.random(count) < 0.1, chance.gamma(2.0, 0.002, count)
    return [
        Pair(1.0 - float(loss), 1.0, expense=-float(money))
        for loss, money in zip(lost, saved, strict=True)
    ]


def first(start, pairs, rules):
    """The first transition."""
    for number, pair in enumerate(pairs, 1):
        start, transition = record_pair(start, pair, rules, float(number))
        if transition is not None:
            return transition
    return None


def through(start, pairs, rules=RULES):
    """The record after pairs, and the transitions on the way."""
    transitions = []
    for number, pair in enumerate(pairs, 1):
        start, transition = record_pair(start, pair, rules, float(number))
        transitions += [transition] * (transition is not None)
    return start, transitions


def test_losses_bring_an_active_specialist_to_probation():
    """The transition tells when, why, on how many pairs, and what was known then."""
    after, [transition] = through(record(), [LOSS] * 10)

    assert (after.state, after.since, after.pinned) == (State.PROBATION, transition.time, False)
    assert (transition.before, transition.after) == ("active", "probation")
    assert (transition.event, transition.cause, transition.version) == ("worse", "evidence", "a1")
    assert "2 points" in transition.reason
    assert transition.pairs == transition.time
    assert transition.comparison.quality.mean == -1.0


def test_evidence_begins_anew_in_each_state():
    """What was counted against an active specialist is not counted again on probation."""
    after, [transition] = through(record(), [LOSS] * 12)
    assert after.evidence.pairs == 12 - transition.pairs


def test_further_losses_retire_it():
    """On probation it takes stronger evidence to be retired than it took to be demoted."""
    after, transitions = through(record(), [LOSS] * 30)
    assert [transition.after for transition in transitions] == ["probation", "retired"]
    assert transitions[1].pairs > transitions[0].pairs
    assert after.state is State.RETIRED


@pytest.mark.parametrize("state", [State.SHADOW, State.PROBATION])
def test_wins_bring_a_specialist_its_traffic(state):
    """Who is better than the generalist becomes active, be it more expensive or not."""
    dear = Pair(1.0, 0.0, 0.1, 5.0)
    after, [transition] = through(record(state), [dear] * 12)
    assert (after.state, transition.event) == (State.ACTIVE, "better")


def test_ties_bring_traffic_to_the_cheaper_alone():
    """No worse is enough for one that costs no more; a more expensive one has to be better."""
    cheap, _ = through(record(State.SHADOW), [TIE] * 300)
    dear, _ = through(record(State.SHADOW), [Pair(1.0, 1.0, 0.0, 0.5)] * 300)
    free, _ = through(record(State.SHADOW), [Pair(1.0, 1.0)] * 300)
    assert (cheap.state, dear.state, free.state) == ("active", "shadow", "active")


def test_a_pinned_specialist_stays_and_goes_on_gathering_evidence():
    """Evidence moves no pinned specialist, however strong it is; none of its tests is in force."""
    after, transitions = through(record(pinned=True), [LOSS] * 50)
    assert (after.state, after.evidence.pairs, transitions) == (State.ACTIVE, 50, [])
    assert not any(claim.in_force for claim in claims(after, RULES))


def test_many_specialists_share_alpha():
    """With five specialists each needs five times the evidence, and has a wider interval."""
    five = Rules(SelectionConfig(), specialists=5)
    thresholds = {c.event: math.exp(c.log_threshold) for c in claims(record(), five)}
    assert thresholds == pytest.approx(
        {"worse": 100, "worse_lately": 100_000, "not_worse": 100, "better": 100, "hopeless": 500}
    )
    seen, _ = through(record(pinned=True), [WIN, LOSS, TIE] * 10)
    one, many = compare(seen.evidence, RULES).quality, compare(seen.evidence, five).quality
    assert many.low < one.low < one.high < many.high


def test_the_claims_in_force_are_those_of_the_state():
    """An active specialist can only turn out worse; one in the shadow also hopeless or good."""
    cheap, _ = through(record(State.SHADOW), [TIE, LOSS] * 10)
    in_force = [claim.event for claim in claims(cheap, RULES) if claim.in_force]
    assert in_force == ["not_worse", "better", "hopeless"]
    active = [claim.event for claim in claims(record(), RULES) if claim.in_force]
    assert active == ["worse", "worse_lately"]


def test_the_operator_moves_even_a_pinned_specialist():
    """An order is carried out whatever the evidence says, and recorded with the given reason."""
    seen, _ = through(record(State.PROBATION, pinned=True), [LOSS] * 30)
    after, transition = apply_event(seen, Event.PROMOTE, "holiday", RULES, 99.0)
    assert (after.state, after.pinned, after.since) == (State.ACTIVE, True, 99.0)
    assert (transition.cause, transition.reason, transition.pairs) == ("operator", "holiday", 30)


def test_an_order_that_makes_no_sense_is_refused():
    """The error says what could be ordered instead."""
    with pytest.raises(UnknownTransition, match=r"active.*promote.*demote"):
        apply_event(record(), Event.PROMOTE, "", RULES, 1.0)


@pytest.mark.parametrize("begin", [State.CANDIDATE, State.SHADOW, State.ACTIVE])
def test_a_new_specialist_begins_as_it_is_declared(begin):
    """Its first transition comes from nowhere."""
    found, transition = register(None, V1, begin, 5.0)
    assert (found.state, found.since, found.version) == (begin, 5.0, V1)
    assert (transition.before, transition.after, transition.cause) == (None, begin, "version")


def test_a_known_version_goes_on_as_it_was():
    """A restart changes nothing."""
    seen, _ = through(record(State.PROBATION), [LOSS] * 3)
    assert register(seen, V1, State.ACTIVE, 50.0) == (seen, None)


def test_a_new_version_begins_anew():
    """Even a retired specialist gets another chance with another version, without evidence."""
    old = record(State.RETIRED, evidence=record().evidence.after(LOSS, 0.02))
    found, transition = register(old, Version("a2", "base"), State.SHADOW, 50.0)
    assert (found.state, found.since, found.evidence.pairs) == (State.SHADOW, 50.0, 0)
    assert (transition.before, transition.after) == ("retired", "shadow")
    assert transition.cause == "version"


def test_other_prices_drop_what_the_pairs_cost_and_nothing_else():
    """The answers, and what they are worth, are what they were; a pinned specialist's too."""
    for pinned in (False, True):
        old, _ = through(record(State.PROBATION, pinned=pinned), [LOSS] * 30)
        new = replace(V1, prices="dearer")
        found, transition = register(old, new, State.ACTIVE, 50.0)
        unpriced = replace(old.evidence, cost=Moments(), expense=Moments())
        assert found == replace(old, version=new, evidence=unpriced)
        assert transition is None


def test_a_specialist_that_became_more_expensive_is_not_promoted_as_cheaper():
    """What its answers cost before says nothing of what they cost now."""
    seen, _ = through(record(State.SHADOW), [TIE] * 150)
    seen, _ = register(seen, replace(V1, prices="dearer"), State.SHADOW, 50.0)
    left, transitions = through(seen, [Pair(1.0, 1.0, cost=0.2)] * 700)
    assert (left.state, transitions) == (State.SHADOW, [])


def test_a_pair_of_other_prices_counts_without_its_cost():
    """It waited for its grade while the prices changed: its answers are as good as they were."""
    late = Pair(1.0, 0.0, 0.1, cost=-1.0, expense=-1.0, engine_seconds=0.5, priced=False)
    found = record().evidence.after(late, 0.02)
    assert (found.pairs, found.latency_seconds.count, found.engine_seconds.count) == (1, 1, 1)
    assert (found.cost.count, found.expense.count) == (0, 0)


@pytest.mark.parametrize(
    ("pinned", "version"),
    [(True, Version("a2", "base")), (False, Version("a1", "other"))],
    ids=["pinned", "another generalist"],
)
def test_evidence_about_other_models_is_dropped_while_the_state_stays(pinned, version):
    """A pinned specialist's new version, or a new generalist, starts the evidence anew alone."""
    old, _ = through(record(State.PROBATION, pinned=pinned), [LOSS] * 2)
    found, transition = register(old, version, State.ACTIVE, 50.0)
    assert (found.state, found.version, found.evidence.pairs) == (State.PROBATION, version, 0)
    assert transition is None


@pytest.mark.parametrize(
    ("point_worth", "state", "trial"),
    [
        (1e-6, "active", "active"),
        (1e-4, "active", "active"),
        (1e-2, "retired", "retired"),
        (1.0, "retired", "retired"),
        (None, "retired", "retired"),
    ],
)
def test_a_worse_and_cheaper_specialist_is_kept_where_a_point_is_worth_little(
    point_worth, state, trial
):
    """Above break-even it is retired as by quality alone; below, it even gets its traffic."""
    rules = RULES if point_worth is None else weighing(point_worth)
    pairs = worse_and_cheaper(450)
    assert through(record(), pairs, rules)[0].state == state
    assert first(record(State.SHADOW), pairs, rules).after == trial


def test_the_more_a_point_is_worth_the_sooner_a_worse_specialist_goes():
    """From break-even on each tenfold worth takes fewer pairs to demote it, or as many."""
    pairs = worse_and_cheaper(450)
    taken = [first(record(), pairs, weighing(worth)).pairs for worth in (1e-3, 1e-2, 1e-1)]
    assert taken == sorted(taken, reverse=True)
    assert taken[0] > taken[-1]


@pytest.mark.parametrize(("point_worth", "state"), [(1e-3, "retired"), (1.0, "active")])
def test_a_better_and_more_expensive_specialist_has_to_be_worth_it(point_worth, state):
    """Ten points better at the expense of twenty points, or of a fiftieth of a point."""
    pairs = [Pair(1.0, 1.0, expense=0.02)] * 9 + [Pair(1.0, 0.0, expense=0.02)]
    after, _ = through(record(), pairs * 60, weighing(point_worth))
    assert after.state == state


@pytest.mark.parametrize(
    ("cost", "expense", "point_worth", "state"),
    [
        (-1.0, 0.001, 1.0, "shadow"),
        (1.0, -0.001, 1.0, "active"),
        (-1.0, 0.001, None, "active"),
        (1.0, -0.001, None, "shadow"),
    ],
)
def test_who_is_no_worse_is_promoted_by_the_cost_that_counts(cost, expense, point_worth, state):
    """Where money is weighed that is expense, and list price elsewhere."""
    rules = RULES if point_worth is None else weighing(point_worth)
    tie = Pair(1.0, 1.0, cost=cost, expense=expense)
    assert through(record(State.SHADOW), [tie] * 700, rules)[0].state == state


def test_net_worth_is_in_currency_units():
    """Ten points lost at a thousandth each, and 0.004 saved: 0.006 a request are lost."""
    seen, _ = through(record(pinned=True), [Pair(0.9, 1.0, expense=-0.004)] * 30, weighing(1e-3))
    found = compare(seen.evidence, weighing(1e-3))
    assert found.net_worth.mean == pytest.approx(-0.006)
    assert found.net_worth.low < -0.006 < found.net_worth.high
    assert found.expense.mean == pytest.approx(-0.004)
    assert compare(seen.evidence, RULES).net_worth is None
