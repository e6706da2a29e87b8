"""Static embeddings from a table of token vectors."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from lab.benchmarks.static import StaticEncoder
from router.errors import EncoderError
from tests.router.encoders.tiny_bert import tiny_bert


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("static") / "bert")


def test_a_vector_is_the_mean_of_its_tokens_scaled_to_length_1(folder):
    """Two letters: the mean of two rows of the table; twice the same letter is that letter."""
    encoder = StaticEncoder(folder)
    both, one, twice = encoder.encode(["a b", "a", "a a"]).vectors
    other = encoder.encode(["b"]).vectors[0]
    assert np.linalg.norm(both) == pytest.approx(1, abs=1e-6)
    assert twice == pytest.approx(one, abs=1e-6)
    # Of two vectors of different length the mean lies in their plane.
    assert np.linalg.matrix_rank(np.stack([both, one, other]), tol=1e-4) == 2


def test_long_texts_are_read_whole(folder):
    """The tokenizer's own limit does not count: the last word moves the vector."""
    encoder = StaticEncoder(folder)
    long, longer = encoder.encode(["a " * 40, "a " * 40 + "b"]).vectors
    assert (long != longer).any()


def test_a_text_without_tokens_has_the_vector_zero(folder):
    """Nothing was said."""
    assert not StaticEncoder(folder).encode([""]).vectors.any()


def test_a_folder_without_a_table_is_refused(tmp_path, folder):
    """Missing files and missing tensors are named."""
    with pytest.raises(EncoderError, match=r"holds no \*\.safetensors"):
        StaticEncoder(tmp_path)
    (tmp_path / "tokenizer.json").write_text((folder / "tokenizer.json").read_text())
    save_file({"other": np.zeros((2, 2), np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(EncoderError, match=r"model\.safetensors.*embedding\.weight"):
        StaticEncoder(tmp_path)
