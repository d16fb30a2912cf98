"""Ways to break the constants of a conversion: weights, biases, scales and zero points."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import onnx
from onnx import numpy_helper
from subjects import ALPHA, BETA, Subject, array_of, has_initializer, layers, nodes_of

Change = Callable[[onnx.ModelProto, Subject], bool]
"""Breaks a model in place; False if it does not apply."""


def set_constant(proto: onnx.ModelProto, node: onnx.NodeProto, index: int, array: np.ndarray) -> None:
    """Give a node a constant of its own there; whoever shared the old one keeps it."""
    name = f"mutant_{node.name}_{index}_{len(proto.graph.initializer)}"
    proto.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    node.input[index] = name


def dequantizer(proto: onnx.ModelProto, name: str) -> onnx.NodeProto | None:
    """The DequantizeLinear of a constant that makes this value, if one does."""
    maker = next((n for n in nodes_of(proto) if name in n.output), None)
    found = maker is not None and maker.op_type == "DequantizeLinear" and has_initializer(proto, maker.input[0])
    return maker if found else None


def kernel(proto: onnx.ModelProto, node: onnx.NodeProto) -> tuple[onnx.NodeProto, int]:
    """The node and input that reads a layer's weight as it is stored."""
    index = 3 if node.op_type == "QLinearConv" else 1
    found = dequantizer(proto, node.input[index])
    return (node, index) if found is None else (found, 0)


def bias_of(proto: onnx.ModelProto, node: onnx.NodeProto) -> tuple[onnx.NodeProto, int] | None:
    index = 8 if node.op_type == "QLinearConv" else 2
    if len(node.input) <= index or not node.input[index]:
        return None
    found = dequantizer(proto, node.input[index])
    return (node, index) if found is None else (found, 0)


def on_kernel(change: Callable[[np.ndarray], np.ndarray], which: int = 0) -> Change:
    """Change the weight of the first layer, or of another."""

    def apply(proto: onnx.ModelProto, _: Subject) -> bool:
        node, index = kernel(proto, layers(proto)[which])
        before = array_of(proto, node.input[index])
        after = np.asarray(change(before.copy())).astype(before.dtype)
        set_constant(proto, node, index, after)
        return after.shape == before.shape and after.tobytes() != before.tobytes()

    return apply


def on_bias(change: Callable[[np.ndarray], np.ndarray], which: int = 0) -> Change:
    def apply(proto: onnx.ModelProto, _: Subject) -> bool:
        place = bias_of(proto, layers(proto)[which])
        if place is None:
            return False
        before = array_of(proto, place[0].input[place[1]])
        set_constant(proto, *place, np.asarray(change(before)).astype(before.dtype))
        return True

    return apply


def one_percent(w: np.ndarray) -> np.ndarray:
    """The largest weight off by 1 %, an integer by one step."""
    place = np.abs(w.astype(np.float64)).argmax()
    w.flat[place] = w.flat[place] - np.sign(w.flat[place]) if w.dtype.kind in "iu" else w.flat[place] * 1.01
    return w


def smallest_off(w: np.ndarray) -> np.ndarray:
    """The smallest weight off by 0.1 %: hardly an effect, or none at all."""
    if w.dtype.kind in "iu":
        return w
    place = np.abs(w.astype(np.float64)).argmin()
    w.flat[place] *= 1.001
    return w


def swap(axis: int) -> Callable[[np.ndarray], np.ndarray]:
    def swapped(w: np.ndarray) -> np.ndarray:
        order = list(range(w.shape[axis]))
        order[:2] = order[:2][::-1]
        return np.take(w, order, axis)

    return swapped


def other_order(w: np.ndarray) -> np.ndarray:
    """As if the flattened map had been stored channels last."""
    out, channels, height, width = w.shape
    return w.reshape(out, height, width, channels).transpose(0, 3, 1, 2)


def old(w: np.ndarray) -> np.ndarray:
    """As in a checkpoint before: near, but not the same."""
    noise = np.random.default_rng(5).standard_normal(w.shape) * 0.05 * w.astype(np.float64).std()
    return np.round(0.95 * w + noise) if w.dtype.kind in "iu" else 0.95 * w + noise


def one_position_ignored(w: np.ndarray) -> np.ndarray:
    if w.shape[2] * w.shape[3] > 1:
        w[:, :, -1, -1] = 0
    return w


def one_nan(w: np.ndarray) -> np.ndarray:
    if w.dtype.kind == "f":
        w.flat[np.abs(w).argmax()] = np.nan
    return w


def top_exponent_bit(w: np.ndarray) -> np.ndarray:
    """One bit of one weight flipped, as a bad download or a bad cell of memory does."""
    raw = w.reshape(-1).view(np.uint8)
    size = w.dtype.itemsize
    raw[int(np.abs(w.astype(np.float64)).argmax()) * size + size - 1] ^= 0x40
    return w


def to_bfloat16(w: np.ndarray) -> np.ndarray:
    return w.astype(ml_dtypes.bfloat16).astype(w.dtype) if w.dtype.kind == "f" else w


def one_channel_zero(w: np.ndarray) -> np.ndarray:
    w[np.abs(w.astype(np.float64)).reshape(len(w), -1).max(1).argmax()] = 0
    return w


def alpha_ignored(proto: onnx.ModelProto, subject: Subject) -> bool:
    return subject.name == "alpha" and on_kernel(lambda w: w / ALPHA)(proto, subject)


def beta_ignored(proto: onnx.ModelProto, subject: Subject) -> bool:
    return subject.name == "alpha" and on_bias(lambda b: b / BETA)(proto, subject)


def no_bias(proto: onnx.ModelProto, _: Subject) -> bool:
    node = layers(proto)[0]
    if bias_of(proto, node) is None:
        return False
    del node.input[8 if node.op_type == "QLinearConv" else 2 :]
    return True


def transposed(proto: onnx.ModelProto, subject: Subject) -> bool:
    """The weight of the first layer with as many outputs as inputs."""
    for which, node in enumerate(layers(proto)):
        reader, index = kernel(proto, node)
        out, channels = array_of(proto, reader.input[index]).shape[:2]
        if out == channels:
            return on_kernel(lambda w: w.transpose(1, 0, 2, 3), which)(proto, subject)
    return False


def exchanged(proto: onnx.ModelProto, _: Subject) -> bool:
    """The weights of two layers of one shape."""
    places = [kernel(proto, n) for n in layers(proto)]
    shapes = [array_of(proto, n.input[i]).shape for n, i in places]
    pair = next(((a, b) for a in range(len(shapes)) for b in range(a) if shapes[a] == shapes[b]), None)
    if pair is None:
        return False
    (one, i), (two, j) = (places[k] for k in pair)
    one.input[i], two.input[j] = two.input[j], one.input[i]
    return True


def quantisation_of(proto: onnx.ModelProto) -> dict[str, tuple[onnx.NodeProto, int]]:
    """Where the first layer has its scales and zero points."""
    node = layers(proto)[0]
    if node.op_type == "QLinearConv":
        return {"x zero": (node, 2), "w scale": (node, 4), "w zero": (node, 5), "y zero": (node, 7)}
    reader, index = kernel(proto, node)
    if (reader, index) == (node, 1):
        return {}
    found = {"w scale": (reader, 1), "w zero": (reader, 2)}
    x = next((n for n in nodes_of(proto) if node.input[0] in n.output and n.op_type == "DequantizeLinear"), None)
    return found if x is None else {**found, "x zero": (x, 2)}


def on_quantisation(what: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(proto: onnx.ModelProto, _: Subject) -> bool:
        place = quantisation_of(proto).get(what)
        if place is None or len(place[0].input) <= place[1]:
            return False
        before = array_of(proto, place[0].input[place[1]])
        after = np.asarray(change(before)).astype(before.dtype)
        set_constant(proto, *place, after)
        return bool((after != before).any())

    return apply
