"""Ways to break a right conversion, each a small function on the ONNX model.

It gives False where there is nothing to break. None of them asks whether the result is wrong: `effects.py` measures
that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from subjects import ALPHA, BETA, Subject, array_of, has_initializer, layers, save_external

Change = Callable[[onnx.ModelProto, Subject], bool]
"""Breaks a model in place; False if it does not apply."""

_STEP = 0.1
"""What is added where a mutant is wrong at one place only."""

# ---- constants ------------------------------------------------------------------------------------------------------


def _set(proto: onnx.ModelProto, node: onnx.NodeProto, index: int, array: np.ndarray) -> None:
    """Give a node a constant of its own there; whoever shared the old one keeps it."""
    name = f"mutant_{node.name}_{index}_{len(proto.graph.initializer)}"
    proto.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    node.input[index] = name


def _dequantizer(proto: onnx.ModelProto, name: str) -> onnx.NodeProto | None:
    """The DequantizeLinear of a constant that makes this value, if one does."""
    maker = next((n for n in proto.graph.node if name in n.output), None)
    found = maker is not None and maker.op_type == "DequantizeLinear" and has_initializer(proto, maker.input[0])
    return maker if found else None


def _kernel(proto: onnx.ModelProto, node: onnx.NodeProto) -> tuple[onnx.NodeProto, int]:
    """The node and input that reads a layer's weight as it is stored."""
    index = 3 if node.op_type == "QLinearConv" else 1
    dequantizer = _dequantizer(proto, node.input[index])
    return (node, index) if dequantizer is None else (dequantizer, 0)


def _bias(proto: onnx.ModelProto, node: onnx.NodeProto) -> tuple[onnx.NodeProto, int] | None:
    index = 8 if node.op_type == "QLinearConv" else 2
    if len(node.input) <= index or not node.input[index]:
        return None
    dequantizer = _dequantizer(proto, node.input[index])
    return (node, index) if dequantizer is None else (dequantizer, 0)


def _on_kernel(change: Callable[[np.ndarray], np.ndarray], which: int = 0) -> Change:
    """Change the weight of the first layer, or of another."""

    def apply(proto: onnx.ModelProto, _: Subject) -> bool:
        node, index = _kernel(proto, layers(proto)[which])
        before = array_of(proto, node.input[index])
        after = np.asarray(change(before.copy())).astype(before.dtype)
        _set(proto, node, index, after)
        return after.shape == before.shape and after.tobytes() != before.tobytes()

    return apply


def _on_bias(change: Callable[[np.ndarray], np.ndarray], which: int = 0) -> Change:
    def apply(proto: onnx.ModelProto, _: Subject) -> bool:
        place = _bias(proto, layers(proto)[which])
        if place is None:
            return False
        before = array_of(proto, place[0].input[place[1]])
        _set(proto, *place, np.asarray(change(before)).astype(before.dtype))
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
    return subject.name == "alpha" and _on_kernel(lambda w: w / ALPHA)(proto, subject)


def beta_ignored(proto: onnx.ModelProto, subject: Subject) -> bool:
    return subject.name == "alpha" and _on_bias(lambda b: b / BETA)(proto, subject)


def no_bias(proto: onnx.ModelProto, _: Subject) -> bool:
    node = layers(proto)[0]
    if _bias(proto, node) is None:
        return False
    del node.input[8 if node.op_type == "QLinearConv" else 2 :]
    return True


def transposed(proto: onnx.ModelProto, subject: Subject) -> bool:
    """The weight of the first layer with as many outputs as inputs."""
    for which, node in enumerate(layers(proto)):
        reader, index = _kernel(proto, node)
        out, channels = array_of(proto, reader.input[index]).shape[:2]
        if out == channels:
            return _on_kernel(lambda w: w.transpose(1, 0, 2, 3), which)(proto, subject)
    return False


def exchanged(proto: onnx.ModelProto, _: Subject) -> bool:
    """The weights of two layers of one shape."""
    places = [_kernel(proto, n) for n in layers(proto)]
    shapes = [array_of(proto, n.input[i]).shape for n, i in places]
    pair = next(((a, b) for a in range(len(shapes)) for b in range(a) if shapes[a] == shapes[b]), None)
    if pair is None:
        return False
    (one, i), (two, j) = (places[k] for k in pair)
    one.input[i], two.input[j] = two.input[j], one.input[i]
    return True


# ---- quantisation ---------------------------------------------------------------------------------------------------


def _quantisation(proto: onnx.ModelProto) -> dict[str, tuple[onnx.NodeProto, int]]:
    """Where the first layer has its scales and zero points."""
    node = layers(proto)[0]
    if node.op_type == "QLinearConv":
        return {"x zero": (node, 2), "w scale": (node, 4), "w zero": (node, 5), "y zero": (node, 7)}
    reader, index = _kernel(proto, node)
    if (reader, index) == (node, 1):
        return {}
    found = {"w scale": (reader, 1), "w zero": (reader, 2)}
    x = next((n for n in proto.graph.node if node.input[0] in n.output and n.op_type == "DequantizeLinear"), None)
    return found if x is None else {**found, "x zero": (x, 2)}


def _on_quantisation(what: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(proto: onnx.ModelProto, _: Subject) -> bool:
        place = _quantisation(proto).get(what)
        if place is None or len(place[0].input) <= place[1]:
            return False
        before = array_of(proto, place[0].input[place[1]])
        after = np.asarray(change(before)).astype(before.dtype)
        _set(proto, *place, after)
        return bool((after != before).any())

    return apply


# ---- nodes ----------------------------------------------------------------------------------------------------------


def _behind(proto: onnx.ModelProto, name: str, nodes: list[onnx.NodeProto]) -> None:
    """Put nodes between a value and its readers: they read `<name>/right` and write the value."""
    right = f"{name}/right"
    at = next(i for i, n in enumerate(proto.graph.node) if name in n.output)
    proto.graph.node[at].output[:] = [right if o == name else o for o in proto.graph.node[at].output]
    rest = list(proto.graph.node)[at + 1 :]
    del proto.graph.node[at + 1 :]
    proto.graph.node.extend([*nodes, *rest])


def _constant(proto: onnx.ModelProto, name: str, array: np.ndarray) -> str:
    proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), f"mutant_{name}"))
    return f"mutant_{name}"


def _output(proto: onnx.ModelProto) -> tuple[str, list[int | str], int]:
    """Name, dims and type of the first output."""
    output = proto.graph.output[0]
    dims = [d.dim_value if d.HasField("dim_value") else d.dim_param for d in output.type.tensor_type.shape.dim]
    return output.name, dims, output.type.tensor_type.elem_type


def _add_where(proto: onnx.ModelProto, mask: str, kind: int) -> None:
    """Add a little to the first output, times a mask that broadcasts to it."""
    name = proto.graph.output[0].name
    step = _constant(proto, "step", np.array(_STEP, helper.tensor_dtype_to_np_dtype(kind)))
    nodes = [
        helper.make_node("Cast", [mask], ["mutant_mask_f"], to=kind),
        helper.make_node("Mul", ["mutant_mask_f", step], ["mutant_delta"]),
        helper.make_node("Add", [f"{name}/right", "mutant_delta"], [name]),
    ]
    _behind(proto, name, nodes)


def _size_of(proto: onnx.ModelProto, axis: int) -> list[onnx.NodeProto]:
    """Nodes that write the size of an axis of the first input to `mutant_size`."""
    index = _constant(proto, f"axis{axis}", np.array(axis))
    return [
        helper.make_node("Shape", [proto.graph.input[0].name], ["mutant_shape"]),
        helper.make_node("Gather", ["mutant_shape", index], ["mutant_size"]),
    ]


def _prepend(proto: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    rest = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*nodes, *rest])


def _is_float(kind: int) -> bool:
    return kind in (TensorProto.FLOAT, TensorProto.FLOAT16)


def wrong_at_batch_3(proto: onnx.ModelProto, _: Subject) -> bool:
    _, dims, kind = _output(proto)
    if isinstance(dims[0], int) or not _is_float(kind):
        return False
    three = _constant(proto, "three", np.array(3))
    _add_where(proto, "mutant_mask", kind)
    _prepend(proto, [*_size_of(proto, 0), helper.make_node("Equal", ["mutant_size", three], ["mutant_mask"])])
    return True


def wrong_at_one_position(proto: onnx.ModelProto, _: Subject) -> bool:
    """One place of a map, the third token of a sequence, one of the features."""
    _, dims, kind = _output(proto)
    if not _is_float(kind):
        return False
    if len(dims) == 3 and isinstance(dims[1], str):
        zero, one, two = (_constant(proto, f"n{k}", np.array(k)) for k in (0, 1, 2))
        shape = _constant(proto, "along", np.array([1, -1, 1]))
        _add_where(proto, "mutant_mask", kind)
        _prepend(
            proto,
            [
                *_size_of(proto, 1),
                helper.make_node("Range", [zero, "mutant_size", one], ["mutant_range"]),
                helper.make_node("Equal", ["mutant_range", two], ["mutant_hit"]),
                helper.make_node("Reshape", ["mutant_hit", shape], ["mutant_mask"]),
            ],
        )
        return True
    static = [d if isinstance(d, int) and i not in (0, 1 if len(dims) == 4 else 0) else 1 for i, d in enumerate(dims)]
    mask = np.zeros(static, bool)
    mask[(..., *(-1,) * len(static))] = True
    _add_where(proto, _constant(proto, "mask", mask), kind)
    return mask.size > 1


def _reversed(proto: onnx.ModelProto, name: str, axis: int) -> list[onnx.NodeProto]:
    arrays = {"start": [-1], "end": [np.iinfo(np.int64).min + 1], "axes": [axis], "steps": [-1]}
    operands = [_constant(proto, key, np.array(array)) for key, array in arrays.items()]
    return [helper.make_node("Slice", [f"{name}/right", *operands], [name])]


def tokens_permuted(proto: onnx.ModelProto, _: Subject) -> bool:
    """The tokens of the output in reverse."""
    name, dims, _ = _output(proto)
    if len(dims) != 3:
        return False
    _behind(proto, name, _reversed(proto, name, 1))
    return True


def layer_positions_permuted(proto: onnx.ModelProto, _: Subject) -> bool:
    """The positions of a layer's result in reverse: tokens, or columns of a map."""
    name = layers(proto)[-1].output[0]
    _behind(proto, name, _reversed(proto, name, 3))
    return True


def samples_mixed(proto: onnx.ModelProto, _: Subject) -> bool:
    """The samples of the batch in reverse."""
    name, dims, _ = _output(proto)
    if isinstance(dims[0], int):
        return False
    _behind(proto, name, _reversed(proto, name, 0))
    return True


def result_h_w_swapped(proto: onnx.ModelProto, _: Subject) -> bool:
    """H and W of the last layer's result."""
    name = layers(proto)[-1].output[0]
    _behind(proto, name, [helper.make_node("Transpose", [f"{name}/right"], [name], perm=[0, 1, 3, 2])])
    return True


_ACTIVATIONS = {"Relu", "Erf", "Sigmoid", "Tanh", "Softmax"}


def no_activation(proto: onnx.ModelProto, _: Subject) -> bool:
    """The first one behind the first layer."""
    after = list(proto.graph.node)[list(proto.graph.node).index(layers(proto)[0]) :]
    node = next((n for n in after if n.op_type in _ACTIVATIONS), None)
    if node is None:
        return False
    node.op_type = "Identity"
    del node.attribute[:]
    return True


def no_residual(proto: onnx.ModelProto, _: Subject) -> bool:
    """The last sum of two values, as if the skip connection were not there."""
    sums = [n for n in proto.graph.node if n.op_type == "Add" and not any(has_initializer(proto, i) for i in n.input)]
    if not sums:
        return False
    sums[-1].op_type = "Identity"
    del sums[-1].input[0]
    return True


def padded(proto: onnx.ModelProto, _: Subject) -> bool:
    """The first layer with a border of zeros."""
    node = layers(proto)[0]
    kept = [a for a in node.attribute if a.name != "pads"]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("pads", [1, 1, 1, 1])])
    return True


# ---- interface ------------------------------------------------------------------------------------------------------


def _rename(proto: onnx.ModelProto, before: str, after: str) -> None:
    for node in proto.graph.node:
        node.input[:] = [after if n == before else n for n in node.input]
        node.output[:] = [after if n == before else n for n in node.output]
    for port in (*proto.graph.input, *proto.graph.output):
        if port.name == before:
            port.name = after


def output_renamed(proto: onnx.ModelProto, _: Subject) -> bool:
    _rename(proto, proto.graph.output[0].name, "renamed")
    return True


def input_renamed(proto: onnx.ModelProto, _: Subject) -> bool:
    _rename(proto, proto.graph.input[0].name, "renamed")
    return True


def output_retyped(proto: onnx.ModelProto, _: Subject) -> bool:
    name, _, kind = _output(proto)
    _behind(proto, name, [helper.make_node("Cast", [f"{name}/right"], [name], to=TensorProto.DOUBLE)])
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    return kind != TensorProto.DOUBLE


def output_reshaped(proto: onnx.ModelProto, _: Subject) -> bool:
    """A last axis of 1 that was not there."""
    name, dims, _ = _output(proto)
    shape = _constant(proto, "shape", np.array([0] * len(dims) + [1]))
    _behind(proto, name, [helper.make_node("Reshape", [f"{name}/right", shape], [name])])
    proto.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 1
    return True


def batch_frozen(proto: onnx.ModelProto, _: Subject) -> bool:
    """A Reshape with the batch of the example input, 1, in it."""
    name, dims, _ = _output(proto)
    if isinstance(dims[0], int):
        return False
    shape = _constant(proto, "frozen", np.array([1, *(0 if isinstance(d, str) else d for d in dims[1:])]))
    _behind(proto, name, [helper.make_node("Reshape", [f"{name}/right", shape], [name])])
    return True


def input_frozen(proto: onnx.ModelProto, _: Subject) -> bool:
    """The input declared with a batch of 1."""
    dim = proto.graph.input[0].type.tensor_type.shape.dim[0]
    if dim.HasField("dim_value"):
        return False
    dim.dim_value = 1
    return True


def outputs_reordered(proto: onnx.ModelProto, _: Subject) -> bool:
    outputs = list(proto.graph.output)
    del proto.graph.output[:]
    proto.graph.output.extend(outputs[::-1])
    return len(outputs) > 1


def outputs_swapped(proto: onnx.ModelProto, _: Subject) -> bool:
    """Each output has the name of the other."""
    if len(proto.graph.output) < 2:
        return False
    one, two = (o.name for o in proto.graph.output[:2])
    for node in proto.graph.node:
        node.output[:] = [{one: two, two: one}.get(n, n) for n in node.output]
    return True


def output_missing(proto: onnx.ModelProto, _: Subject) -> bool:
    if len(proto.graph.output) < 2:
        return False
    del proto.graph.output[1:]
    return True


def output_added(proto: onnx.ModelProto, _: Subject) -> bool:
    proto.graph.node.append(helper.make_node("Identity", [proto.graph.output[0].name], ["extra"]))
    port = proto.graph.output.add()
    port.CopyFrom(proto.graph.output[0])
    port.name = "extra"
    return True


# ---- files ----------------------------------------------------------------------------------------------------------


def stale_data(proto: onnx.ModelProto, subject: Subject, folder: Path) -> Path | None:
    """The new graph beside the external data file of an older checkpoint."""
    older = onnx.ModelProto.FromString(proto.SerializeToString())
    for tensor in older.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(old(numpy_helper.to_array(tensor)).astype(np.float32), tensor.name))
    path, data = folder / "mutant.onnx", folder / "mutant.onnx.data"
    written = []
    for each in (proto, older):
        data.unlink(missing_ok=True)
        save_external(each, path, data.name)
        written.append((path.read_bytes(), data.read_bytes()))
    path.write_bytes(written[0][0])  # the graph of the new one, the data of the old one
    return path if written[0][1] != written[1][1] else None


@dataclass(frozen=True)
class Mutant:
    """A way to break a conversion.

    Attributes:
        title: What is wrong, in the table.
        change: Breaks the model in memory; None if `write` does all.
        write: Writes the broken model.
    """

    title: str
    change: Change | None = None
    write: Callable[[onnx.ModelProto, Subject, Path], Path | None] | None = None

    def make(self, subject: Subject, folder: Path) -> Path | None:
        """Write the broken model to a folder; None if this cannot be broken there."""
        proto = subject.proto()
        if self.write is not None:
            return self.write(proto, subject, folder)
        assert self.change is not None
        if not self.change(proto, subject):
            return None
        onnx.save(proto, folder / "mutant.onnx")
        return folder / "mutant.onnx"


MUTANTS = [
    Mutant("the largest weight off by 1 %", _on_kernel(one_percent)),
    Mutant("the largest weight of the last layer off by 1 %", _on_kernel(one_percent, -1)),
    Mutant("the smallest weight off by 0.1 %", _on_kernel(smallest_off)),
    Mutant("one bit of a weight flipped", _on_kernel(top_exponent_bit)),
    Mutant("weights rounded to bfloat16", _on_kernel(to_bfloat16)),
    Mutant("a NaN weight", _on_kernel(one_nan)),
    Mutant("two output channels swapped", _on_kernel(swap(0))),
    Mutant("two input channels swapped", _on_kernel(swap(1))),
    Mutant("one output channel zero", _on_kernel(one_channel_zero)),
    Mutant("weight transposed", transposed),
    Mutant("kernel rotated", _on_kernel(lambda w: w[:, :, ::-1, ::-1])),
    Mutant("H and W of the kernel swapped", _on_kernel(lambda w: w.transpose(0, 1, 3, 2))),
    Mutant("kernel in channels-last order", _on_kernel(other_order)),
    Mutant("one position of the kernel ignored", _on_kernel(one_position_ignored)),
    Mutant("first layer left with old weights", _on_kernel(old)),
    Mutant("last layer left with old weights", _on_kernel(old, -1)),
    Mutant("weights of two layers exchanged", exchanged),
    Mutant("stale external data file", write=stale_data),
    Mutant("bias missing", no_bias),
    Mutant("bias negated", _on_bias(lambda b: -b)),
    Mutant("bias of a neighbour", _on_bias(lambda b: np.roll(b, 1))),
    Mutant("bias added twice", _on_bias(lambda b: 2 * b)),
    Mutant("bias of a neighbour in the last layer", _on_bias(lambda b: np.roll(b, 1), -1)),
    Mutant("alpha ignored", alpha_ignored),
    Mutant("beta ignored", beta_ignored),
    Mutant("zero point of the weight off by one", _on_quantisation("w zero", lambda z: z + 1)),
    Mutant("zero point of the input off by one", _on_quantisation("x zero", lambda z: z + 1)),
    Mutant("zero point of the output off by one", _on_quantisation("y zero", lambda z: z + 1)),
    Mutant("per-channel scale rolled by one", _on_quantisation("w scale", lambda s: np.roll(s, 1))),
    Mutant("scale off by 1 %", _on_quantisation("w scale", lambda s: s * 1.01)),
    Mutant("activation dropped", no_activation),
    Mutant("skip connection dropped", no_residual),
    Mutant("zeros around the input of a layer", padded),
    Mutant("H and W of a result swapped", result_h_w_swapped),
    Mutant("positions of a layer permuted", layer_positions_permuted),
    Mutant("tokens permuted", tokens_permuted),
    Mutant("samples of the batch permuted", samples_mixed),
    Mutant("wrong at batch 3 only", wrong_at_batch_3),
    Mutant("wrong at one position only", wrong_at_one_position),
    Mutant("a Reshape with a frozen batch", batch_frozen),
    Mutant("input declared with a frozen batch", input_frozen),
    Mutant("input renamed", input_renamed),
    Mutant("output renamed", output_renamed),
    Mutant("output retyped", output_retyped),
    Mutant("output reshaped", output_reshaped),
    Mutant("outputs reordered", outputs_reordered),
    Mutant("outputs exchanged", outputs_swapped),
    Mutant("an output missing", output_missing),
    Mutant("an output more", output_added),
]
