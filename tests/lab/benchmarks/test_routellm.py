"""Which questions are worth the strong model: the measures, and the router on toy outcomes."""

from dataclasses import replace

import numpy as np
import pytest

from lab.benchmarks.routellm import apgr, calls_to_reach, expected_gain, routellm
from tests.lab.benchmarks.rows import WORDS, rows_of
from tests.router.fakes import HashingEncoder


def test_apgr_is_the_area_below_the_recovered_gain():
    """One of two questions gains: asked first 0.75, asked last 0.25 (trapezoids by hand)."""
    gain = np.array([1.0, 0.0])
    assert apgr(np.array([1.0, 0.0]), gain) == pytest.approx(0.75)
    assert apgr(np.array([0.0, 1.0]), gain) == pytest.approx(0.25)


def test_harm_avoided_takes_apgr_above_one():
    """Gains 1, 1, -1 in the best order recover 1, 2, 1 of 1: the area is (0.5 + 1.5 + 1.5) / 3."""
    gain = np.array([1.0, -1.0, 1.0])
    assert apgr(np.array([2.0, 0.0, 1.0]), gain) == pytest.approx(3.5 / 3)


def test_cpt_is_the_smallest_share_of_calls_that_recovers_enough():
    """Four of ten questions gain: the first two recover half, the first four four fifths."""
    gain = np.array([1.0] * 4 + [0.0] * 6)
    best = -np.arange(10.0)
    assert calls_to_reach(best, gain, 0.5) == pytest.approx(20)
    assert calls_to_reach(best, gain, 0.8) == pytest.approx(40)
    assert calls_to_reach(-best, gain, 0.5) == pytest.approx(80)


def test_the_expected_gain_of_a_rare_subject_is_near_the_mean_of_all():
    """20 average questions are added: 10 of gain 1 among 40 in all give (10 + 20/4) / 30."""
    subjects = np.array(["a"] * 10 + ["b"] * 30)
    gain = np.array([1.0] * 10 + [0.0] * 30)
    found = expected_gain(subjects, gain, ["a", "b", "never"])
    assert found == pytest.approx([15 / 30, 5 / 50, 0.25])


def test_the_router_learns_which_subjects_gain():
    """Where the subject decides the gain, and words the subject, it is far from chance."""
    gains = {"bank": 1.0, "cook": 0.0, "ride": 0.0}
    rows = [
        replace(row, excess_loss=gains[domain])
        for domain in gains
        for row in rows_of(domain, WORDS[domain], None, 60)
    ]
    figures = {figure.name: figure for figure in routellm(rows, HashingEncoder()).figures}
    assert figures["APGR"].value == pytest.approx(5 / 6, abs=0.02)
    assert figures["CPT(50), %"].met
    assert figures["CPT(50), %"].value == pytest.approx(100 / 6, abs=2)
