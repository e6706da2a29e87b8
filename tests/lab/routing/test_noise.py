"""Noisy copies of prompts: the same ones each time, and still the prompt."""

import pytest

from lab.benchmarks.perturb import PERTURBATIONS
from lab.routing.noise import noisy

TEXT = "Which singers are from France"


def test_a_copy_has_a_slip_and_another_a_frame():
    """The first differs by letters, the second holds the prompt as it was."""
    slipped, framed = noisy(TEXT)
    assert slipped != TEXT
    assert abs(len(slipped) - len(TEXT)) <= 1
    assert TEXT in framed
    assert framed != TEXT


def test_a_prompt_has_always_the_same_copies():
    """Chance is drawn from the text, so that a training can be repeated."""
    assert noisy(TEXT) == noisy(TEXT)
    assert noisy(TEXT) != noisy(TEXT + "?")


@pytest.mark.parametrize("text", ["?", "\ud800", "数据库", ""])
def test_any_text_has_copies(text):
    """Where there is no letter to slip on the first copy is the text itself."""
    assert noisy(text)[0] == text


def test_no_frame_is_one_that_the_benchmark_measures_with():
    """What the flips are measured with was not trained on."""
    frames = {noisy(f"{TEXT} {n}")[1].replace(f"{TEXT} {n}", "{}") for n in range(200)}
    change = {p.name: p.apply for p in PERTURBATIONS}
    measured = {
        change[name](TEXT, seed).replace(TEXT, "{}")
        for name in ("greeting", "thanks", "frame", "please")
        for seed in range(50)
    }
    assert len(frames) == 10
    assert not frames & measured
