"""The encoder in torch, and that both encoders say the same."""

import re

import numpy as np
import pytest
import torch

from router.encoders.encoder import Encoder
from router.encoders.torch_encoder import TorchEncoder
from router.errors import EncoderError
from tests.router.encoders.minilm import minilm
from tests.router.encoders.tiny_bert import WIDTH, tiny_bert

TEXTS = [
    "hi",
    "",
    "What is the capital of Australia?",
    "Columns: name, team, points\nQuestion: Which team has the most points?",
    "SELECT COUNT(*) FROM flights WHERE delay > 15 GROUP BY carrier;",
    "def area(radius):\n    return 3.14159 * radius**2\n",
    '{"name": "set_timer", "parameters": {"minutes": {"type": "integer"}}}',
    "Wie komme ich vom Bahnhof zum Flughafen?",
    "東京の天気はどうですか。",
    "plase hlep me fnid teh adress",
    "The committee met on Tuesday and again on Thursday, without a result. " * 40,
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return TorchEncoder(tiny_bert(tmp_path_factory.mktemp("model")), max_tokens=32)


def test_padding_changes_no_vector(encoder):
    """A batch of unlike lengths gives the vectors that its texts have alone, in order."""
    texts = ["a long text " * 20, "short", "", "of medium length"]
    batch = encoder.encode(texts)
    assert batch.vectors.shape == (4, WIDTH)
    assert batch.vectors.dtype == np.float32
    assert np.linalg.norm(batch.vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert batch.truncated.tolist() == [True, False, False, False]
    for text, vector in zip(texts, batch.vectors, strict=True):
        assert encoder.encode([text]).vectors[0] == pytest.approx(vector, abs=1e-5)


def test_many_texts_take_several_passes(encoder):
    """More tokens than fit into a pass give the same vectors."""
    vectors = encoder.encode(["a b c d e f g h"] * 500).vectors
    assert vectors == pytest.approx(np.tile(vectors[0], (500, 1)), abs=1e-5)


def test_no_texts_give_no_vectors(encoder):
    """An empty batch has the right width and no rows."""
    assert encoder.encode([]).vectors.shape == (0, WIDTH)


def test_a_device_that_is_not_there_is_refused(tmp_path):
    """The error names the device."""
    with pytest.raises(EncoderError, match="abacus"):
        TorchEncoder(tiny_bert(tmp_path), device="abacus", max_tokens=32)


def test_weights_that_are_none_are_refused(tmp_path):
    """A file of another format is an error of the encoder's."""
    model = tiny_bert(tmp_path)
    (model / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(EncoderError, match=rf"{re.escape(str(model))} .*model directory"):
        TorchEncoder(model, max_tokens=32)


def test_both_encoders_agree():
    """The quantised graph's vectors point where torch's do, and the same texts were cut."""
    path, cache = minilm()
    quantised, exact = Encoder(path, cache), TorchEncoder(path)
    ours, theirs = quantised.encode(TEXTS), exact.encode(TEXTS)
    assert quantised.sha256 == exact.sha256
    assert ours.truncated.tolist() == theirs.truncated.tolist()
    assert (ours.vectors * theirs.vectors).sum(axis=1).min() >= 0.98


@pytest.mark.gpu
def test_a_gpu_agrees_with_the_cpu():
    """Half precision on a GPU points where single precision does."""
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    path, _ = minilm()
    cpu, gpu = (TorchEncoder(path, device).encode(TEXTS).vectors for device in ("cpu", "cuda"))
    assert (cpu * gpu).sum(axis=1).min() >= 0.999
