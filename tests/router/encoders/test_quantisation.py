"""Products of bytes against products of floats."""

import numpy as np
import pytest
from onnx import TensorProto
from onnxruntime import InferenceSession

from router.encoders.onnx_graph import Graph
from router.encoders.quantisation import Range, int8_linear, observe, watching_linear

CHANNELS, OUTPUTS = 64, 16


def product(linear, ids, weight, bias):
    """What `linear` makes of activations that are the ids themselves."""
    graph = Graph()
    x = graph.node("Cast", "ids", to=TensorProto.FLOAT)
    model = graph.model(linear(graph, "product", x, weight, bias), OUTPUTS)
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"ids": ids})[0]


@pytest.fixture
def numbers():
    rng = np.random.default_rng(0)
    ids = rng.integers(-100, 100, (40, CHANNELS))
    weight = rng.normal(size=(CHANNELS, OUTPUTS)).astype(np.float32)
    return ids, weight, rng.normal(size=OUTPUTS).astype(np.float32)


def relative_error(ids, weight, bias):
    ranges = {"product": Range(ids.min(axis=0), ids.max(axis=0))}
    exact = ids @ weight + bias
    found = product(int8_linear(ranges), ids, weight, bias)
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


def test_bytes_are_close_to_floats(numbers):
    """Seven bits of weights and eight of activations leave about a hundredth of error."""
    assert relative_error(*numbers) < 0.015


def test_a_channel_of_huge_values_spoils_no_other(numbers):
    """What the other channels contribute survives one with a range fifty times theirs."""
    ids, weight, bias = numbers
    ids[:, 3] *= 50
    weight[3] /= 50
    assert relative_error(ids, weight, bias) < 0.03


def test_channels_without_values_are_harmless(numbers):
    """Zero activations and zero weights divide by nothing."""
    ids, weight, bias = numbers
    assert relative_error(np.zeros_like(ids), weight, bias) == 0
    assert relative_error(ids, np.zeros_like(weight), bias) == pytest.approx(0, abs=1e-6)


def test_ranges_are_those_of_all_texts(numbers):
    """The least and the largest value of each channel, over every text."""
    graph = Graph()
    x = graph.node("Unsqueeze", "ids", graph.constant(np.array([2])))
    x = graph.node("Cast", x, to=TensorProto.FLOAT)
    inputs: dict[str, str] = {}
    weight, bias = np.ones((1, OUTPUTS), np.float32), np.zeros(OUTPUTS, np.float32)
    out = watching_linear(inputs)(graph, "product", x, weight, bias)
    seen = observe(graph.model(out, OUTPUTS), inputs, [[3, 1], [7], [2, 2, 2]])
    assert (seen["product"].low.tolist(), seen["product"].high.tolist()) == ([1.0], [7.0])
