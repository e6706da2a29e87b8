"""Sampling: by hash, the same everywhere, a share of the requests."""

import numpy as np
from scipy.stats import kstest

from gateway.config import NicheConfig
from gateway.evidence.shadow import Sampling, part_of
from router.selection.lifecycle import State
from router.types import Decision, Reason
from tests.gateway.stacks import GENERALIST, SPECIALIST

SECOND = SPECIALIST.model_copy(update={"name": "sql-new"})
CONFIG = NicheConfig(generalist=GENERALIST, specialists=(SPECIALIST, SECOND))
IDS = [f"request-{number}" for number in range(2000)]


def sampling(**states):
    known = {"sql-model": State.ACTIVE, "sql-new": State.SHADOW} | states
    return Sampling(CONFIG, sample_ratio=0.1, trial_sample_ratio=0.3, state=known.__getitem__)


def decision(first="sql-model", reason=Reason.ROUTED):
    return Decision("sql", (first, "big"), reason, 0.9)


def test_hashes_are_even():
    """The numbers of many ids are as even draws are, by the Kolmogorov-Smirnov test."""
    assert kstest([part_of(name, "sql-model") for name in IDS], "uniform").pvalue > 0.01


def test_specialists_are_picked_apart():
    """What is picked for one says nothing about what is picked for another."""
    parts = np.array([[part_of(name, model) for model in ("a", "b")] for name in IDS])
    assert abs(np.corrcoef(parts.T)[0, 1]) < 0.07


def test_each_specialist_has_its_share():
    """Who answers is compared on a tenth of the requests, who is on trial on three tenths."""
    picked = [sampling().picked(name, decision()) for name in IDS]
    shares = [np.mean([model in some for some in picked]) for model in ("sql-model", "sql-new")]
    assert np.allclose(shares, [0.1, 0.3], atol=0.03)


def test_the_same_request_is_always_picked_alike():
    """Another gateway, asked about the same id, says the same."""
    assert [sampling().picked(name, decision()) for name in IDS[:50]] == [
        sampling().picked(name, decision()) for name in IDS[:50]
    ]


def test_only_those_who_answer_or_are_on_trial_are_picked():
    """An active one that was not asked first, a candidate and a retired one are left alone."""
    for state in (State.ACTIVE, State.CANDIDATE, State.RETIRED):
        found = sampling(**{"sql-new": state})
        picked = {model for name in IDS for model in found.picked(name, decision())}
        assert picked == {"sql-model"}
    unproven = decision("big", Reason.NO_ACTIVE_SPECIALIST)
    found = sampling(**{"sql-model": State.PROBATION})
    picked = {model for name in IDS for model in found.picked(name, unproven)}
    assert picked == {"sql-model", "sql-new"}


def test_doubts_are_not_picked():
    """A request that is not sent for its domain is nobody's to be compared on."""
    for reason in set(Reason) - {Reason.ROUTED, Reason.NO_ACTIVE_SPECIALIST}:
        assert not any(sampling().picked(name, decision(reason=reason)) for name in IDS[:200])
