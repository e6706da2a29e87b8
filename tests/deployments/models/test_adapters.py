"""Adapters: found by name or path, and believed only with their checksum."""

import json
from pathlib import Path

import pytest

from deployments.models.adapters import ADAPTERS, load_adapter
from deployments.models.errors import ModelError
from tests.deployments.models.wheels import sha256

WEIGHTS = b"weights"
UNREADABLE = Path("/proc/self/mem")  # whoever reads it, root too: nothing is at its start
CARD = {
    "niche": "sql",
    "base": "smollm2-135m-instruct",
    "system_prompt": "Answer in SQL.",
    "sha256": sha256(WEIGHTS),
    "trained_on": "a fact that loading does not need",
}


@pytest.fixture
def adapter(tmp_path):
    path = tmp_path / "adapters" / "sql"
    path.mkdir(parents=True)
    (path / "adapter_config.json").write_text("{}")
    (path / "adapter_model.safetensors").write_bytes(WEIGHTS)
    (path / "niche.json").write_text(json.dumps(CARD))
    return path


def test_an_adapter_is_found_by_name(adapter):
    """A name is a folder among the adapters; its card says what it belongs to."""
    found = load_adapter("sql", adapter.parent)
    assert (found.path, found.niche, found.base) == (adapter, "sql", "smollm2-135m-instruct")
    assert (found.system_prompt, found.sha256) == ("Answer in SQL.", CARD["sha256"])


def test_a_card_may_name_a_completion_and_graders(adapter):
    """What finishes its answers and what grades them come from its card; both are optional."""
    bare = load_adapter("sql", adapter.parent)
    (adapter / "niche.json").write_text(
        json.dumps(CARD | {"complete": "calculator", "graders": ["number"]})
    )
    found = load_adapter("sql", adapter.parent)
    assert (bare.complete, bare.graders) == (None, ())
    assert (found.complete, found.graders) == ("calculator", ("number",))


def test_an_unknown_completion_is_refused(adapter):
    """A card that asks for what is not there is an error that names the field."""
    (adapter / "niche.json").write_text(json.dumps(CARD | {"complete": "oracle"}))
    with pytest.raises(ModelError, match="complete"):
        load_adapter("sql", adapter.parent)


def test_a_card_may_have_a_grammar(adapter):
    """One that cannot be read is an error that names the field."""
    (adapter / "niche.json").write_text(json.dumps(CARD | {"grammar": 'answer: "SELECT"'}))
    assert load_adapter("sql", adapter.parent).grammar == 'answer: "SELECT"'

    spoilt = "answer: W\nW: %copied {'}"
    (adapter / "niche.json").write_text(json.dumps(CARD | {"grammar": spoilt}))
    with pytest.raises(ModelError, match=r"(?s)'sql'.*grammar"):
        load_adapter("sql", adapter.parent)


def test_a_card_with_layers_is_refused(adapter):
    """Adapters of fewer layers are served no more: on the whole base they would answer wrongly."""
    (adapter / "niche.json").write_text(json.dumps(CARD | {"layers": [0, 1, 29]}))
    with pytest.raises(ModelError, match=r"'sql'.*`layers`.*train"):
        load_adapter("sql", adapter.parent)


def test_a_card_whose_layers_are_null_is_read(adapter):
    """Earlier versions wrote the key into every card."""
    (adapter / "niche.json").write_text(json.dumps(CARD | {"layers": None}))
    assert load_adapter("sql", adapter.parent).niche == "sql"


def test_an_adapter_is_found_by_path(adapter, tmp_path):
    """A local directory needs no name."""
    assert load_adapter(str(adapter), tmp_path).path == adapter


def test_an_unknown_adapter_lists_the_known(adapter):
    """The error names what there is."""
    with pytest.raises(ModelError, match=r"'poems'.*sql"):
        load_adapter("poems", adapter.parent)


def test_altered_weights_are_refused(adapter):
    """The checksum of the card is that of the weights, or the adapter is not used."""
    (adapter / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match=CARD["sha256"]):
        load_adapter("sql", adapter.parent)


@pytest.mark.skipif(not UNREADABLE.exists(), reason="no file here fails when it is read")
def test_weights_that_cannot_be_read_are_named(adapter):
    """The error names the adapter, as it does where they are absent."""
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.safetensors").symlink_to(UNREADABLE)
    with pytest.raises(ModelError, match=r"'sql'.*cannot be read"):
        load_adapter("sql", adapter.parent)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "niche.json"])
def test_a_missing_file_is_named(adapter, name):
    """Each of the three files is needed."""
    (adapter / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_adapter("sql", adapter.parent)


@pytest.mark.parametrize(
    "card", ['{"niche": "sql"}', "[]", "{", ""], ids=["half", "a list", "cut", "empty"]
)
def test_a_malformed_card_is_refused(adapter, card):
    """A card without its facts is an error that names the adapter."""
    (adapter / "niche.json").write_text(card)
    with pytest.raises(ModelError, match=r"'sql'.*niche\.json"):
        load_adapter("sql", adapter.parent)


@pytest.mark.parametrize("path", [pytest.param(p, id=p.name) for p in sorted(ADAPTERS.glob("*/"))])
def test_every_shipped_adapter_is_sound(path):
    """What this repository ships can be loaded."""
    assert load_adapter(path.name).path == path
