"""Versions: what a specialist's evidence is about."""

import pytest

from gateway.config import GradingSection, JudgeSection, ShadowSection
from gateway.evidence.states import version_of
from router.config import SelectionConfig
from tests.gateway.stacks import GENERALIST, SPECIALIST

SHADOW = ShadowSection(path="x")


def version(specialist=SPECIALIST, generalist=GENERALIST, shadow=SHADOW, **selection):
    return version_of(specialist, generalist, shadow, SelectionConfig(**selection))


def other(spec, **changes):
    return spec.model_copy(update=changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "better"},
        {"adapter": "mine"},
        {"adapter": "sql"},
        {"engine": "openai"},
        {"engine_options": {"dtype": "float16"}},
        {"system_prompt": "Think."},
        {"domain": "tools"},
    ],
)
def test_what_changes_answers_changes_the_version(changes):
    """A specialist with other weights, instructions or requests is another specialist."""
    found = version(other(SPECIALIST, **changes))
    assert found.specialist != version().specialist
    assert found.baseline == version().baseline


@pytest.mark.parametrize(
    "changes",
    [{"replicas": 3}, {"price": GENERALIST.price}, {"name": "x"}, {"initial_state": "shadow"}],
)
def test_what_changes_no_answer_changes_nothing(changes):
    """Scaling, prices and names leave the evidence as it is."""
    assert version(other(SPECIALIST, **changes)) == version()


@pytest.mark.parametrize(
    "found",
    [
        version(generalist=other(GENERALIST, model="better")),
        version(margin=0.05),
        version(
            shadow=ShadowSection(
                path="x", grading=(GradingSection(specialist="sql-model", method="json"),)
            )
        ),
        version(
            shadow=ShadowSection(
                path="x",
                grading=(GradingSection(specialist="sql-model", method="judge"),),
                judge=JudgeSection(base_url="http://judge/v1", model="wise"),
            )
        ),
    ],
    ids=["generalist", "margin", "grading", "judge"],
)
def test_what_it_is_held_against_changes_the_baseline(found):
    """Evidence under another margin, grading or generalist is about something else."""
    assert found.specialist == version().specialist
    assert found.baseline != version().baseline


def test_other_settings_of_the_comparison_change_nothing():
    """Shares, budgets and the other specialists' grading leave the evidence as it is."""
    others = ShadowSection(
        path="y", sample_ratio=0.5, grading=(GradingSection(specialist="tools", method="json"),)
    )
    assert version(shadow=others) == version()
