"""A replay's figures, by hand and against RouteLLM's published outcomes."""

import os
from pathlib import Path

import numpy as np
import pytest

from lab.benchmarks.routellm import apgr
from lab.datasets import outcomes as public
from lab.replay.outcomes import gather
from lab.replay.policies import Expectation, domain_means, domain_oracle, instance_oracle
from lab.replay.replay import MIX, replay
from tests.lab.replay.recorded import by_lot, recorded

DATA = os.environ.get("NICHE_DATA_DIR")


@pytest.fixture(scope="module")
def toy():
    outcomes = recorded(200)
    policies = [domain_means(outcomes), domain_oracle(outcomes), instance_oracle(outcomes)]
    return replay(outcomes, policies)


def value(found, policy, key):
    [of] = [of for of in found.policies if of.name == policy]
    return of.figures[key].value


def test_the_mix_is_the_line_between_the_models(toy):
    """From 0.5 at a cost of 1 to 1.0 at 10: its mean height is 0.75."""
    assert value(toy, MIX, "aiq") == pytest.approx(0.75)
    assert value(toy, MIX, "match_cost") == pytest.approx(1.0)


def test_knowing_the_domain_is_worth_a_quarter_of_the_square(toy):
    """All right at 5.5: (0.75 + 1) / 2; the best model's quality for 55 % of its cost."""
    assert value(toy, "domain oracle", "aiq") == pytest.approx(0.875)
    assert value(toy, "domain oracle", "above_mix") == pytest.approx(0.125)
    assert value(toy, "domain oracle", "match_cost") == pytest.approx(0.55)
    assert value(toy, "domain oracle", "apgr") == pytest.approx(0.75, abs=0.01)
    assert value(toy, "domain oracle", "cpt50") == pytest.approx(25, abs=0.5)
    assert value(toy, "domain oracle", "cpt80") == pytest.approx(40, abs=0.5)


def test_what_reading_adds_is_the_mean_lead_over_the_shuffle(toy):
    """From 0 at the cheapest model to 0.25 at a cost of 5.5, as far as the policy goes."""
    assert value(toy, "domain oracle", "above_shuffle") == pytest.approx(0.125)


def test_domain_means_close_the_gap_where_domains_tell_all(toy):
    """All of the oracle's lead over the mix."""
    assert value(toy, "domain means", "gap") == pytest.approx(1.0)


def test_every_figure_lies_in_its_interval(toy):
    """Of all policies and models."""
    figures = [figure for of in toy.policies for figure in of.figures.values()]
    for figure in [*figures, *(of.quality for of in toy.models)]:
        assert figure.interval.low - 1e-9 <= figure.value <= figure.interval.high + 1e-9


def test_the_front_leaves_oracles_out(toy):
    """Only what can be run is on it; its points cost more and are better, one by one."""
    assert {point.policy for point in toy.front} <= {"domain means", "cheap", "dear"}
    places = [(point.cost, point.quality) for point in toy.front]
    assert places == sorted(places)
    assert len({quality for _, quality in places}) == len(places)


def test_domains_that_mean_nothing_add_nothing():
    """By lot, the interval of what reading adds reaches down to 0."""
    outcomes = by_lot(1500, 2, seed=3)
    found = replay(outcomes, [domain_means(outcomes)])
    figure = found.policies[1].figures["above_shuffle"]
    assert figure.value < 0.01
    assert figure.interval.low <= 0


def test_the_interval_is_that_of_paired_draws():
    """Its width agrees with the standard error of a mean over rows, which the figure here is."""
    rng = np.random.default_rng(5)
    outcomes = by_lot(800, 2, seed=6)
    outcomes.costs[:] = [1.0, 2.0]
    gain = outcomes.scores[:, 1] - outcomes.scores[:, 0]
    chosen = np.where(rng.random(800) < 0.5, gain > 0, rng.random(800) < 0.3)
    expected = Expectation(
        "told", np.stack([np.zeros(800), chosen], axis=1), np.tile([1.0, 2.0], (800, 1))
    )
    figure = replay(outcomes, [expected]).policies[1].figures["above_shuffle"]
    # A triangle, whose mean height is half of the lead at its end.
    each = (np.where(chosen, gain, 0) - chosen.mean() * gain) / 2
    assert figure.value == pytest.approx(each.mean())
    width = figure.interval.high - figure.interval.low
    assert width == pytest.approx(2 * 1.96 * each.std() / np.sqrt(800), rel=0.15)


def test_without_a_gain_there_is_nothing_to_recover():
    """Where the cheapest model is the best, APGR and CPT are left out."""
    outcomes = recorded(20)
    outcomes.scores[:, 0] = 1.0
    found = replay(outcomes, [instance_oracle(outcomes)])
    assert set(found.policies[1].figures) == {"aiq", "above_mix", "above_shuffle", "match_cost"}


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="NICHE_DATA_DIR names no public data sets")
def test_routellms_published_outcomes():
    """Both models' scores; by true subject an APGR of 0.68, with the outcomes known one of 1.28."""
    outcomes = gather(public.read("routellm_mmlu", Path(DATA)))
    assert outcomes.models == ("mixtral_8x7b", "gpt4_1106")
    assert outcomes.scores.mean(axis=0) == pytest.approx([0.6808, 0.8058], abs=1e-4)
    means, oracle = domain_means(outcomes), instance_oracle(outcomes)
    found = {of.name: of.figures for of in replay(outcomes, [means, oracle]).policies}
    assert found["domain means"]["apgr"].value == pytest.approx(0.685, abs=0.01)
    assert found["instance oracle"]["apgr"].value == pytest.approx(1.283, abs=0.01)
    gain = outcomes.gain
    assert found["domain means"]["apgr"].value == apgr(
        means.scores[:, 1] - means.scores[:, 0], gain
    )
