"""Verifies that an encoder on this machine decides as it did where its artifact was trained.

Merging and quantising are exact up to the order of floating-point sums, which differs between
processors. So the check is about decisions: those on the artifact's verification prompts must agree
but for a few close to a threshold.
"""

from dataclasses import dataclass

from router.classifier import RouteClassifier
from router.conversation import is_routed
from router.errors import ArtifactError
from router.types import GENERAL, Scores

_MOST_DIFFERENT = 0.025
"""Share of the prompts that may be decided differently."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The result: prompts checked, and those decided differently."""

    prompts: int
    different: int


def verify(classifier: RouteClassifier) -> Verified:
    """Decides the verification prompts of a classifier's artifact.

    Raises:
        ArtifactError: more of them differ than rounding explains.
    """
    expected = classifier.trained.verification
    if not expected:
        return Verified(0, 0)
    found = classifier.scores_of_texts([prompt.text for prompt in expected])
    different = sum(
        went(scores) != prompt.domain for scores, prompt in zip(found, expected, strict=True)
    )
    if different > _MOST_DIFFERENT * len(expected):
        raise ArtifactError(
            f"the encoder decides {different} of {len(expected)} verification prompts differently "
            "than where the artifact was trained; pull the model again (niche models pull "
            "--verify), install the pinned onnxruntime, or train an artifact on this machine"
        )
    return Verified(len(expected), different)


def went(scores: Scores) -> str:
    """The domain whose specialist gets a query at the artifact's thresholds, or `general`."""
    domain = max(scores.probabilities, key=scores.probabilities.__getitem__)
    return domain if is_routed(scores) else GENERAL
