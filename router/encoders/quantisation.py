"""Matrix products with 7-bit weights and 8-bit activations, with ranges fixed in advance.

With fixed ranges a text's vector does not depend on the rest of its batch. Weights have seven bits
because processors without int8 dot products add pairs of products in 16 bits, which overflow with
eight.

A few channels have values many times larger than all others, and would dominate the range. They are
divided before rounding, and the matching rows of the weights multiplied (as in SmoothQuant, but
only for outliers: scaling ordinary channels too made it worse).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime import InferenceSession

from router.encoders.onnx_graph import Graph, Linear

Floats = NDArray[np.float32]

_WEIGHT_STEPS = 2**6  # to each side of zero
_ACTIVATION_STEPS = 2**8 - 1
_OUTLIER_QUANTILE = 0.95
_OUTLIER_RATIO = 2.0  # below this, dividing gains nothing


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """The least and the largest value of each channel of an activation; both of shape (inputs,)."""

    low: Floats
    high: Floats


def watching_linear(inputs: dict[str, str]) -> Linear:
    """Products in float32; stores the name of each product's activation in `inputs`."""

    def linear(graph: Graph, name: str, x: str, weight: Floats, bias: Floats) -> str:
        inputs[name] = x
        return graph.node(
            "Add", graph.node("MatMul", x, graph.constant(weight)), graph.constant(bias)
        )

    return linear


def observe(
    model: onnx.ModelProto, inputs: Mapping[str, str], texts: Iterable[list[int]]
) -> dict[str, Range]:
    """The ranges of a model's activations over some texts.

    Args:
        model: its graph; gets the activations as outputs.
        inputs: the activation of each product, by the product's name.
        texts: token ids of at least one text.
    """
    for name in inputs.values():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    runs = (session.run(list(inputs.values()), {"ids": np.array([ids])}) for ids in texts)
    lows, highs = _extremes(next(runs))
    for activations in runs:
        low, high = _extremes(activations)
        lows = [np.minimum(*pair) for pair in zip(lows, low, strict=True)]
        highs = [np.maximum(*pair) for pair in zip(highs, high, strict=True)]
    return {name: Range(*pair) for name, *pair in zip(inputs, lows, highs, strict=True)}


def _extremes(activations: list[Floats]) -> tuple[list[Floats], list[Floats]]:
    """Minima and maxima per channel, of activations of shape (1, tokens, channels)."""
    low = [values.min(axis=(0, 1)) for values in activations]
    return low, [values.max(axis=(0, 1)) for values in activations]


def int8_linear(ranges: Mapping[str, Range]) -> Linear:
    """Products in int8; `ranges` has each activation's range, by the product's name."""

    def linear(graph: Graph, name: str, x: str, weight: Floats, bias: Floats) -> str:
        spread = _outliers(ranges[name])
        if spread is not None:
            x = graph.node("Mul", x, graph.constant(1 / spread))
            weight = weight * spread[:, np.newaxis]
        scale, zero = _activation_scale(ranges[name], spread)
        scales = (np.abs(weight).max(axis=0) / _WEIGHT_STEPS).astype(np.float32)
        scales = np.maximum(scales, np.finfo(np.float32).tiny)
        scale_name, zero_name = graph.constant(scale), graph.constant(zero)
        return graph.node(
            "MatMulIntegerToFloat",
            graph.node("QuantizeLinear", x, scale_name, zero_name),
            graph.constant(np.round(weight / scales).astype(np.int8)),
            scale_name,
            graph.constant(scales),
            zero_name,
            graph.constant(np.zeros(scales.shape, np.int8)),
            graph.constant(bias),
            runtime=True,
        )

    return linear


def _outliers(channels: Range) -> Floats | None:
    """The divisor of each channel; None if there are no outliers."""
    largest = np.maximum(-channels.low, channels.high)
    usual = np.quantile(largest, _OUTLIER_QUANTILE)
    if usual == 0 or largest.max() <= _OUTLIER_RATIO * usual:
        return None
    return np.maximum(1, largest / usual).astype(np.float32)


def _activation_scale(channels: Range, spread: Floats | None) -> tuple[Floats, NDArray[np.uint8]]:
    divisor = np.float32(1) if spread is None else spread
    low = min(float((channels.low / divisor).min()), 0.0)
    high = max(float((channels.high / divisor).max()), 0.0)
    scale = max((high - low) / _ACTIVATION_STEPS, float(np.finfo(np.float32).tiny))
    return np.array(scale, np.float32), np.array(round(-low / scale), np.uint8)
