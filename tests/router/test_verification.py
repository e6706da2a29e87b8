"""Verification: an encoder that decides otherwise than in training is found."""

from dataclasses import replace

import numpy as np
import pytest

from router.artifact import load_artifact
from router.classifier import Encoded, RouteClassifier
from router.errors import ArtifactError
from router.trained import VerificationPrompt
from router.types import GENERAL, Scores
from router.verification import Verified, verify, went
from tests.router.fakes import HashingEncoder


class Distorted(HashingEncoder):
    """Gives the first texts of a batch the vectors of other words."""

    def __init__(self, share):
        super().__init__()
        self._share = share

    def encode(self, texts):
        found = super().encode(texts)
        vectors = found.vectors.copy()
        first = round(self._share * len(texts))
        vectors[:first] = np.roll(vectors[:first], 7, axis=1)
        return Encoded(vectors, found.truncated)


@pytest.fixture(scope="module")
def learnt(trained):
    return load_artifact(trained[0], HashingEncoder()).trained


def with_prompts(learnt, wrong, count=80):
    """The artifact with prompts of `sql`, of which some claim to have gone elsewhere."""
    prompts = [
        VerificationPrompt("select rows where table", "tools" if number < wrong else "sql")
        for number in range(count)
    ]
    return RouteClassifier(HashingEncoder(), replace(learnt, verification=tuple(prompts)))


def test_an_artifact_brings_prompts_that_its_encoder_decides_as_in_training(learnt):
    """Both those that a specialist gets and those that none gets."""
    found = verify(RouteClassifier(HashingEncoder(), learnt))
    assert found == Verified(prompts=len(learnt.verification), different=0)
    domains = {prompt.domain for prompt in learnt.verification}
    assert domains == {"sql", "tools", GENERAL}


def test_an_encoder_that_decides_differently_is_refused(learnt):
    """The error counts the decisions that differ, and names the remedy."""
    with pytest.raises(ArtifactError, match=r"\d+ of \d+ .*niche models pull --verify"):
        verify(RouteClassifier(Distorted(1.0), learnt))


@pytest.mark.parametrize(("wrong", "accepted"), [(0, True), (2, True), (3, False)])
def test_a_few_decisions_may_differ(learnt, wrong, accepted):
    """At most one in forty, which rounding explains."""
    classifier = with_prompts(learnt, wrong)
    if accepted:
        assert verify(classifier) == Verified(80, wrong)
    else:
        with pytest.raises(ArtifactError, match="3 of 80"):
            verify(classifier)


def test_an_artifact_without_prompts_is_not_checked(learnt):
    """Those of earlier programs have none: nothing is encoded."""
    encoder = HashingEncoder()
    assert verify(RouteClassifier(encoder, replace(learnt, verification=()))) == Verified(0, 0)
    assert encoder.encoded == []


@pytest.mark.parametrize(
    ("sql", "ood_score", "domain"),
    [(0.8, -1.0, "sql"), (0.6, -1.0, "sql"), (0.59, -1.0, GENERAL), (0.8, 0.1, GENERAL)],
    ids=["confident", "at the threshold", "below it", "out of distribution"],
)
def test_a_decision_is_that_of_the_artifacts_thresholds(sql, ood_score, domain):
    """Below the confidence, and above the OOD score, no specialist gets a query."""
    scores = Scores({"sql": sql, GENERAL: 1 - sql}, ood_score, 0.0, min_confidence=0.6)
    assert went(scores) == domain
