"""Models in several GGUF files."""

from pathlib import Path

import pytest

from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from deployments.models.gguf_file import read_header
from deployments.models.gguf_parts import part_names, parts_of, read_model
from deployments.models.lora_gguf import adapter_gguf
from tests.deployments.tiny_gguf import save_gguf, tiny_weights
from tests.deployments.tiny_lora import save_lora


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Of three files."""
    weights = tiny_weights()
    return save_gguf(tmp_path / "tiny.gguf", weights, tensors_each=-(-len(weights) // 3))


def test_the_files_are_named_by_the_first() -> None:
    """Any other name is that of the only one."""
    assert part_names("a/m-00001-of-00002.gguf") == [
        "a/m-00001-of-00002.gguf",
        "a/m-00002-of-00002.gguf",
    ]
    assert part_names("m-00002-of-00002.gguf") == ["m-00002-of-00002.gguf"]
    assert parts_of(Path("a/m.gguf")) == [Path("a/m.gguf")]


def test_a_model_has_the_tensors_of_all_its_files(first: Path) -> None:
    """And the metadata of the first."""
    model = read_model(first)

    assert model.tensors.keys() == tiny_weights().keys()
    assert model.metadata == read_header(first).metadata


def test_an_adapter_of_several_files_is_converted(first: Path, tmp_path: Path) -> None:
    """Whichever of them has the tensor that it changes."""
    adapter = load_adapter(str(save_lora(tmp_path / "adapter", first)))

    assert adapter_gguf(adapter, read_model(first), tmp_path).is_file()


@pytest.mark.parametrize("kept", [None, 3, -100], ids=["absent", "damaged", "cut off"])
def test_a_file_that_is_not_whole_is_named(first: Path, kept: int | None) -> None:
    """Before anything is loaded."""
    last = parts_of(first)[-1]
    content = last.read_bytes()
    last.unlink()
    if kept is not None:
        last.write_bytes(content[:kept])

    with pytest.raises(ModelError, match=last.name):
        read_model(first)
