"""Which system prompts set a task."""

from lab.routing.forms import wordings
from lab.routing.task_prompts import fit_task_prompts
from router.request_text import system_words
from tests.router.fakes import HashingEncoder

KEPT, ASIDE = wordings(False).apart(10)


def found(detector, encoder):
    """The shares of the kept tasks and of the kept neutral prompts that are taken for tasks."""
    tasks = [text for task in KEPT.other_tasks for text in task.system]
    shown = [list(map(system_words, texts)) for texts in (tasks, KEPT.systems)]
    return [float(detector.sets_task(own, encoder.encode(own).vectors).mean()) for own in shown]


def test_wordings_that_were_trained_on_are_told_apart():
    """Prompts that set a task are found, and the neutral ones are not taken for such."""
    encoder = HashingEncoder()
    tasks, neutral = found(fit_task_prompts(KEPT, ASIDE, encoder), encoder)
    assert tasks > neutral + 0.4


def test_prompts_that_were_put_aside_choose_the_threshold():
    """The encoder is surer of those that it was fitted on: these alone would choose one that reads
    fewer."""
    encoder = HashingEncoder()
    by_aside = fit_task_prompts(KEPT, ASIDE, encoder)
    by_known = fit_task_prompts(KEPT, KEPT, encoder)
    assert by_known.bias < by_aside.bias
    assert found(by_known, encoder)[1] < found(by_aside, encoder)[1]
