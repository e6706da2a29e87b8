"""Trains the detector of system prompts that set a task."""

import random

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from lab.routing.forms import Wordings
from router.classifier import TextEncoder
from router.conversation import TaskPromptDetector
from router.request_text import system_words

_PER_KIND = 1500

_CAUTION = 0.5
"""Added to the bias: a task that is not read sends a request to the wrong model, and a neutral
prompt that is read only takes the encoder one more look."""


def fit_task_prompts(wordings: Wordings, base: TextEncoder) -> TaskPromptDetector:
    """Fits a logistic regression on system prompts that set a task, and neutral ones.

    Args:
        wordings: of both.
        base: the encoder before it is fine-tuned.
    """
    rng = random.Random(0)
    tasks = [wordings.task_prompt(rng) for _ in range(_PER_KIND)]
    neutral = [wordings.system(rng) for _ in range(_PER_KIND)]
    texts = [system_words(text) for text in (*tasks, *neutral)]
    truth = np.repeat([True, False], _PER_KIND)
    with threadpool_limits(1):  # another order of summation would change the artifact
        fitted = LogisticRegression(C=10.0, max_iter=1000).fit(base.encode(texts).vectors, truth)
    return TaskPromptDetector(
        fitted.coef_[0].astype(np.float32), float(fitted.intercept_[0]) + _CAUTION
    )
