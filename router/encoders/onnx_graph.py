"""Builds a BERT encoder as an ONNX graph, directly from its weights.

One input, `ids` (texts, tokens), without padding: the texts of one pass have the same number of
tokens. One output, `vectors` (texts, 3 x hidden). A `Linear` multiplies by the weight matrices; all
else is in float32. Needs neither torch nor transformers, and the graph is smaller than an exported
one: query, key and value are one product, and there is no mask.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from pydantic import BaseModel

from router.encoders.encoding import LAYERS, layers_of

Floats = NDArray[np.float32]

_RUNTIME = "com.microsoft"  # operators that ONNX Runtime has beyond the standard
_OPSETS = (helper.make_opsetid("", 23), helper.make_opsetid(_RUNTIME, 1))
_IR_VERSION = 11


class BertConfig(BaseModel):
    """The required keys of `config.json`; others are ignored."""

    model_type: Literal["bert"]
    hidden_act: Literal["gelu"]
    position_embedding_type: Literal["absolute"] = "absolute"
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float


class Graph:
    """A graph under construction: its nodes and constants."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[Any]) -> str:
        """Adds a constant; returns its name."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, *inputs: str, runtime: bool = False, **attributes: Any) -> str:
        """Adds an operator with one result; returns the result's name."""
        return self.nodes(operator, *inputs, results=1, runtime=runtime, **attributes)[0]

    def nodes(
        self, operator: str, *inputs: str, results: int, runtime: bool = False, **attributes: Any
    ) -> list[str]:
        """Adds an operator with several results; returns their names."""
        names = [f"n{len(self._nodes)}_{index}" for index in range(results)]
        domain = _RUNTIME if runtime else ""
        self._nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names

    def model(self, vectors: str, width: int) -> onnx.ModelProto:
        """The graph as a model whose output is the result `vectors`."""
        self._nodes.append(helper.make_node("Identity", [vectors], ["vectors"]))
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "tokens"])
        out = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", width])
        graph = helper.make_graph(self._nodes, "encoder", [ids], [out], self._constants)
        return helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR_VERSION)


class Linear(Protocol):
    """Adds the product of an activation and a weight matrix, plus a bias."""

    def __call__(self, graph: Graph, name: str, x: str, weight: Floats, bias: Floats) -> str:
        """Returns the result's name; `weight` is (inputs, outputs), `name` is unique."""


class _Bert:
    def __init__(self, config: BertConfig, weights: Mapping[str, Floats], linear: Linear) -> None:
        self._config = config
        self._weights = weights
        self._linear = linear
        self.graph = Graph()

    def vectors(self) -> str:
        graph = self.graph
        states = [self._embeddings()]
        for layer in range(self._config.num_hidden_layers):
            states.append(self._layer(f"encoder.layer.{layer}", states[-1]))
        axis = graph.constant(np.array([1]))
        means = [
            graph.node("ReduceMean", states[layer], axis, keepdims=0)
            for layer in layers_of(self._config.num_hidden_layers)
        ]
        parts = [graph.node("LpNormalization", mean, axis=-1, p=2) for mean in means]
        share = graph.constant(np.array(LAYERS**-0.5, np.float32))
        return graph.node("Mul", graph.node("Concat", *parts, axis=-1), share)

    def _embeddings(self) -> str:
        graph = self.graph
        # The largest table by far: int8 instead of float32, with one scale per word.
        words = self._weights["embeddings.word_embeddings.weight"]
        scales = np.abs(words).max(axis=1, keepdims=True) / 127 + np.finfo(np.float32).tiny
        table = graph.constant(np.round(words / scales).astype(np.int8))
        rows = graph.node("Cast", graph.node("Gather", table, "ids"), to=TensorProto.FLOAT)
        x = graph.node("Mul", rows, graph.node("Gather", graph.constant(scales), "ids"))
        # Every token has the first token type.
        positions = (
            self._weights["embeddings.position_embeddings.weight"]
            + self._weights["embeddings.token_type_embeddings.weight"][0]
        )
        tokens = graph.node("Shape", "ids", start=1, end=2)
        first = graph.constant(np.array([0]))
        used = graph.node("Slice", graph.constant(positions), first, tokens, first)
        return self._norm("embeddings.LayerNorm", graph.node("Add", x, used))

    def _layer(self, name: str, x: str) -> str:
        graph = self.graph
        parts = [self._dense(f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
        weight = np.concatenate([part[0] for part in parts], axis=1)
        bias = np.concatenate([part[1] for part in parts])
        joint = self._linear(graph, f"{name}.attention.self", x, weight, bias)
        query, key, value = graph.nodes("Split", joint, results=3, axis=-1, num_outputs=3)
        heads = self._config.num_attention_heads
        mixed = graph.node("Attention", query, key, value, q_num_heads=heads, kv_num_heads=heads)
        x = self._residual(f"{name}.attention.output", mixed, x)
        up = self._linear(graph, f"{name}.up", x, *self._dense(f"{name}.intermediate.dense"))
        return self._residual(f"{name}.output", graph.node("Gelu", up), x)

    def _residual(self, name: str, x: str, skipped: str) -> str:
        out = self._linear(self.graph, name, x, *self._dense(f"{name}.dense"))
        return self._norm(f"{name}.LayerNorm", self.graph.node("Add", out, skipped))

    def _dense(self, name: str) -> tuple[Floats, Floats]:
        return self._weights[f"{name}.weight"].T, self._weights[f"{name}.bias"]

    def _norm(self, name: str, x: str) -> str:
        scale = self.graph.constant(self._weights[f"{name}.weight"])
        shift = self.graph.constant(self._weights[f"{name}.bias"])
        epsilon = self._config.layer_norm_eps
        return self.graph.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)


def bert(config: BertConfig, weights: Mapping[str, Floats], linear: Linear) -> onnx.ModelProto:
    """The encoder's graph.

    Args:
        config: the model's shape.
        weights: its tensors by name, float32.
        linear: adds each product with a weight matrix.

    Raises:
        KeyError: a tensor is missing.
    """
    encoder = _Bert(config, weights, linear)
    return encoder.graph.model(encoder.vectors(), LAYERS * config.hidden_size)
