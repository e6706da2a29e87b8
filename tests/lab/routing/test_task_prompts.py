"""Which system prompts set a task."""

import numpy as np

from lab.routing.forms import wordings
from lab.routing.task_prompts import fit_task_prompts
from router.request_text import system_words
from tests.router.fakes import HashingEncoder


def test_wordings_that_were_trained_on_are_told_apart():
    """Prompts that set a task are found, and the neutral ones are not taken for such."""
    encoder = HashingEncoder()
    detector = fit_task_prompts(wordings(False), encoder)
    tasks = [text for task in wordings(False).other_tasks for text in task.system]
    found = [
        float(np.mean(detector.sets_task(encoder.encode(list(map(system_words, texts))).vectors)))
        for texts in (tasks, wordings(False).systems)
    ]
    assert found[0] > found[1] + 0.4
