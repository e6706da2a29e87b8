"""The graph built by hand against the same weights in torch."""

import numpy as np
import pytest
from onnxruntime import InferenceSession
from safetensors.numpy import load_file

from router.encoders.encoding import Tokens
from router.encoders.onnx_graph import BertConfig, bert
from router.encoders.quantisation import watching_linear
from router.encoders.torch_encoder import TorchEncoder
from tests.router.encoders.tiny_bert import tiny_bert


def test_the_graph_computes_what_torch_does(tmp_path):
    """Without quantisation the vectors are torch's, but for the table of words in bytes."""
    model = tiny_bert(tmp_path)
    weights = load_file(model / "model.safetensors")
    words = weights["embeddings.word_embeddings.weight"]
    scales = np.abs(words).max(axis=1, keepdims=True) / 127
    config = BertConfig.model_validate_json((model / "config.json").read_bytes())
    graph = bert(config, weights, watching_linear({})).SerializeToString()
    session = InferenceSession(graph, providers=["CPUExecutionProvider"])

    weights["embeddings.word_embeddings.weight"] = np.round(words / scales) * scales
    tiny_bert(tmp_path / "rounded", weights=weights)
    for text in ("a", "the quick brown fox", "select * from t where x = 3"):
        ids = np.array([Tokens(model).of(text).ids])
        found = session.run(None, {"ids": ids})[0]
        expected = TorchEncoder(tmp_path / "rounded", max_tokens=64).encode([text]).vectors
        assert found == pytest.approx(expected, abs=1e-5)
