"""Products with weights of seven bits and activations of eight, whose ranges are fixed beforehand.

Fixed ranges make a text's vector its own: ranges taken from a batch would let its companions in.
Seven bits, because processors without dot products for bytes add pairs of products in 16 bits, and
would overflow with eight.

A few channels carry values many times larger than all others, and would take the range for
themselves. They are divided before they are rounded, and their rows of the weights multiplied
(SmoothQuant's idea, on outliers alone: scaling ordinary channels as well made it worse).
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
_OUTLIER_RATIO = 2.0  # below it, dividing costs time and gains nothing


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """The least and the largest value of each channel of an activation; both of shape (inputs,)."""

    low: Floats
    high: Floats


def watching_linear(inputs: dict[str, str]) -> Linear:
    """Products in float32; `inputs` gets the name of the activation that each one multiplies."""

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
        inputs: the activations by the name of the product that they go into.
        texts: token ids, one text at least.
    """
    for name in inputs.values():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    runs = (session.run(list(inputs.values()), {"ids": np.array([ids])}) for ids in texts)
    lows, highs = _extremes(next(runs))
    for found in runs:
        low, high = _extremes(found)
        lows = [np.minimum(*pair) for pair in zip(lows, low, strict=True)]
        highs = [np.maximum(*pair) for pair in zip(highs, high, strict=True)]
    return {name: Range(*pair) for name, *pair in zip(inputs, lows, highs, strict=True)}


def _extremes(found: list[Floats]) -> tuple[list[Floats], list[Floats]]:
    """Per channel, of activations of shape (1, tokens, channels)."""
    low = [values.min(axis=(0, 1)) for values in found]
    return low, [values.max(axis=(0, 1)) for values in found]


def int8_linear(ranges: Mapping[str, Range]) -> Linear:
    """Products of bytes; `ranges` are those of the activations, by the product's name."""

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


def _outliers(seen: Range) -> Floats | None:
    """By how much each channel is to be divided; None where all are much alike."""
    largest = np.maximum(-seen.low, seen.high)
    usual = np.quantile(largest, _OUTLIER_QUANTILE)
    if usual == 0 or largest.max() <= _OUTLIER_RATIO * usual:
        return None
    return np.maximum(1, largest / usual).astype(np.float32)


def _activation_scale(seen: Range, spread: Floats | None) -> tuple[Floats, NDArray[np.uint8]]:
    divisor = np.float32(1) if spread is None else spread
    low = min(float((seen.low / divisor).min()), 0.0)
    high = max(float((seen.high / divisor).max()), 0.0)
    scale = max((high - low) / _ACTIVATION_STEPS, float(np.finfo(np.float32).tiny))
    return np.array(scale, np.float32), np.array(round(-low / scale), np.uint8)
