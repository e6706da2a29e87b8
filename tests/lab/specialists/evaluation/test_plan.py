"""Plans: which candidates get which prompts, and what identifies their answers."""

import shutil
from pathlib import Path

import pytest

from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from lab.specialists.evaluation.plan import (
    Weights,
    generalist,
    make_plan,
    plan_prompt_comparison,
    specialist,
)
from lab.specialists.evaluation.prompts import PROMPT_STYLES
from lab.specialists.evaluation.tasks import Question, Task, niche_tasks
from lab.specialists.niche import Example
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.evaluation.toy_run import ONE, TWO, adapters, toy_config

GENERAL = Task(
    "general",
    None,
    ("general",),
    (Question(Example("Complete: the sun is", "hot"), ("mentions",)),),
    9,
    lambda _: "",
)
NOWHERE = Weights("none", Path("nowhere"))


def test_a_specialist_has_its_own_system_prompt_on_every_set(tmp_path: Path) -> None:
    """That is what a wrong route would get."""
    candidate = specialist("one", NOWHERE, "say yes.")
    (own,) = niche_tasks(ONE, 2, tmp_path)

    chats = [*(candidate.chats(own) or ()), *(candidate.chats(GENERAL) or ())]

    assert [chat[0].content for chat in chats] == ["say yes."] * 3
    assert chats[-1][-1].content == "Complete: the sun is"


def test_the_general_set_is_asked_as_users_write_it() -> None:
    """One message, no instruction."""
    candidate = generalist("big", NOWHERE, PROMPT_STYLES["zero-shot"], lambda _: (), general=True)

    (chat,) = candidate.chats(GENERAL) or ()

    assert [(message.role, message.content) for message in chat] == [
        ("user", "Complete: the sun is")
    ]


def test_nobody_has_examples_of_the_general_set() -> None:
    """A generalist with examples is not asked."""
    way = PROMPT_STYLES["nearest 8"]
    candidate = generalist("big", NOWHERE, way, lambda _: (), general=False)

    assert candidate.chats(GENERAL) is None


def test_other_weights_are_another_model_wherever_they_lie(tmp_path: Path) -> None:
    """Known by their bytes, not by their name."""
    here = save_tiny_model(tmp_path / "here")
    there = Path(shutil.copytree(here, tmp_path / "there"))
    deeper = save_tiny_model(tmp_path / "deeper", layers=3)

    found = [Weights("m", folder).identity for folder in (here, there, deeper)]

    assert found[0] == found[1]
    assert found[0] != found[2]


def test_another_chat_template_is_another_model(tmp_path: Path) -> None:
    """It decides what the model reads, and so what it answers."""
    folder = save_tiny_model(tmp_path / "tiny")
    before = Weights("m", folder).identity
    (folder / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")

    assert Weights("m", folder).identity != before


def test_an_adapter_is_part_of_the_identity(tmp_path: Path) -> None:
    """A specialist that was trained again is another."""
    folder = adapters(tmp_path)
    adapter = load_adapter("one", folder)

    found = Weights("m", tmp_path / "sayer", adapter).identity

    assert found["adapter"] == adapter.sha256
    assert found["base"] == Weights("m", tmp_path / "sayer").identity["base"]


def test_a_grammar_is_part_of_the_identity(tmp_path: Path) -> None:
    """Under another one a specialist may answer otherwise; without one nothing is said of it."""
    adapter = load_adapter("one", adapters(tmp_path))
    first, second = (
        adapter.model_copy(update={"grammar": f'answer: "{word}"'}) for word in ("yes", "no")
    )
    found = [Weights("m", tmp_path / "sayer", of).identity for of in (adapter, first, second)]

    assert "grammar" not in found[0]
    assert found[1]["grammar"] != found[2]["grammar"]


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    """Nothing can be told of its answers."""
    with pytest.raises(ModelError, match="safetensors"):
        _ = Weights("m", tmp_path).identity


def test_the_specialists_base_can_be_compared_too(tmp_path: Path) -> None:
    """As one more generalist, of whom no verdict is made."""
    folder = adapters(tmp_path)

    found = make_plan(toy_config(tmp_path, base_of_specialists=True), folder).spec

    assert found.models == (
        *("one", "babbler zero-shot", "babbler few-shot", "sayer zero-shot", "sayer few-shot"),
    )
    assert found.baselines == ("babbler zero-shot", "babbler few-shot")


def test_a_named_adapter_takes_the_place_of_the_default_one(tmp_path: Path) -> None:
    """To measure one before it is published."""
    folder = adapters(tmp_path)
    named = {"two": str(folder / "one")}

    found = make_plan(toy_config(tmp_path, adapters=named), folder)

    assert found.notes == ()
    assert found.spec.specialists == {"one": "one", "two": "two"}


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    """One's figures would stand for both."""
    folder = adapters(tmp_path)
    namesake = Path(shutil.copytree(tmp_path / "sayer", tmp_path / "other" / "sayer"))

    with pytest.raises(ModelError, match="'sayer few-shot'"):
        make_plan(toy_config(tmp_path, generalist=str(namesake), base_of_specialists=True), folder)


def test_ways_are_compared_on_validation_rows_alone(tmp_path: Path) -> None:
    """What is chosen on test rows proves nothing on them."""
    found = plan_prompt_comparison(toy_config(tmp_path))

    asked = {question.example for task in found.tasks for question in task.questions}
    allowed = {*ONE.examples("validation", tmp_path), *TWO.examples("validation", tmp_path)}
    assert asked <= allowed
    assert [of.name for of in found.candidates] == [
        *("zero-shot", "zero-shot within", "fixed 8", "nearest 8"),
    ]
    assert [task.name for task in found.tasks] == ["one", "two"]
