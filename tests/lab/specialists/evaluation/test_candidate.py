"""Candidates: how they are asked, and by what their answers are known."""

import shutil
from pathlib import Path

import pytest

from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from lab.specialists.evaluation.candidate import Weights, generalist, specialist
from lab.specialists.evaluation.prompts import WAYS
from lab.specialists.evaluation.tasks import Question, Task, niche_tasks
from lab.specialists.niches.niche import Example
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.evaluation.toy_run import ONE, adapters

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

    chats = [*(candidate.asking(own) or ()), *(candidate.asking(GENERAL) or ())]

    assert [chat[0].content for chat in chats] == ["say yes."] * 3
    assert chats[-1][-1].content == "Complete: the sun is"


def test_the_general_set_is_asked_as_users_write_it() -> None:
    """One message, no instruction."""
    candidate = generalist("big", NOWHERE, WAYS["zero-shot"], lambda _: (), general=True)

    (chat,) = candidate.asking(GENERAL) or ()

    assert [(message.role, message.content) for message in chat] == [
        ("user", "Complete: the sun is")
    ]


def test_nobody_has_examples_of_the_general_set() -> None:
    """A generalist with examples is not asked."""
    way = WAYS["nearest 8"]
    candidate = generalist("big", NOWHERE, way, lambda _: (), general=False)

    assert candidate.asking(GENERAL) is None


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


def test_an_adapter_and_its_layers_are_part_of_the_identity(tmp_path: Path) -> None:
    """A specialist trained again, or cut down, is another."""
    folder = adapters(tmp_path)
    adapter = load_adapter("one", folder)

    found = Weights("m", tmp_path / "sayer", adapter).identity

    assert (found["adapter"], found["layers"]) == (adapter.sha256, None)
    assert found["base"] == Weights("m", tmp_path / "sayer").identity["base"]


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    """Nothing can be told of its answers."""
    with pytest.raises(ModelError, match=r"model 'm': .* has no \*\.safetensors"):
        _ = Weights("m", tmp_path).identity
