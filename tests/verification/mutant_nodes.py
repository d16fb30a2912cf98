"""Ways to break the graph of a conversion: nodes that are wrong, missing or too many."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from subjects import Subject, graph_of, has_initializer, layers

_STEP = 0.1
"""What is added where a mutant is wrong at one place only."""


def behind(proto: onnx.ModelProto, name: str, nodes: list[onnx.NodeProto]) -> None:
    """Put nodes between a value and its readers: they read `<name>/right` and write the value."""
    right = f"{name}/right"
    graph = graph_of(proto, name)
    at = next(i for i, n in enumerate(graph.node) if name in n.output)
    graph.node[at].output[:] = [right if o == name else o for o in graph.node[at].output]
    rest = list(graph.node)[at + 1 :]
    del graph.node[at + 1 :]
    graph.node.extend([*nodes, *rest])


def add_constant(proto: onnx.ModelProto, name: str, array: np.ndarray) -> str:
    proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), f"mutant_{name}"))
    return f"mutant_{name}"


def first_output(proto: onnx.ModelProto) -> tuple[str, list[int | str], int]:
    """Name, dims and type of the first output."""
    output = proto.graph.output[0]
    dims = [d.dim_value if d.HasField("dim_value") else d.dim_param for d in output.type.tensor_type.shape.dim]
    return output.name, dims, output.type.tensor_type.elem_type


def add_where(proto: onnx.ModelProto, mask: str, kind: int) -> None:
    """Add a little to the first output, times a mask that broadcasts to it."""
    name = proto.graph.output[0].name
    step = add_constant(proto, "step", np.array(_STEP, helper.tensor_dtype_to_np_dtype(kind)))
    nodes = [
        helper.make_node("Cast", [mask], ["mutant_mask_f"], to=kind),
        helper.make_node("Mul", ["mutant_mask_f", step], ["mutant_delta"]),
        helper.make_node("Add", [f"{name}/right", "mutant_delta"], [name]),
    ]
    behind(proto, name, nodes)


def size_of(proto: onnx.ModelProto, axis: int) -> list[onnx.NodeProto]:
    """Nodes that write the size of an axis of the first input to `mutant_size`."""
    index = add_constant(proto, f"axis{axis}", np.array(axis))
    return [
        helper.make_node("Shape", [proto.graph.input[0].name], ["mutant_shape"]),
        helper.make_node("Gather", ["mutant_shape", index], ["mutant_size"]),
    ]


def prepend(proto: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    rest = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*nodes, *rest])


def is_float(kind: int) -> bool:
    return kind in (TensorProto.FLOAT, TensorProto.FLOAT16)


def wrong_at_batch_3(proto: onnx.ModelProto, _: Subject) -> bool:
    _, dims, kind = first_output(proto)
    if isinstance(dims[0], int) or not is_float(kind):
        return False
    three = add_constant(proto, "three", np.array(3))
    add_where(proto, "mutant_mask", kind)
    prepend(proto, [*size_of(proto, 0), helper.make_node("Equal", ["mutant_size", three], ["mutant_mask"])])
    return True


def wrong_at_one_position(proto: onnx.ModelProto, _: Subject) -> bool:
    """One place of a map, the third token of a sequence, one of the features."""
    _, dims, kind = first_output(proto)
    if not is_float(kind):
        return False
    if len(dims) == 3 and isinstance(dims[1], str):
        zero, one, two = (add_constant(proto, f"n{k}", np.array(k)) for k in (0, 1, 2))
        shape = add_constant(proto, "along", np.array([1, -1, 1]))
        add_where(proto, "mutant_mask", kind)
        prepend(
            proto,
            [
                *size_of(proto, 1),
                helper.make_node("Range", [zero, "mutant_size", one], ["mutant_range"]),
                helper.make_node("Equal", ["mutant_range", two], ["mutant_hit"]),
                helper.make_node("Reshape", ["mutant_hit", shape], ["mutant_mask"]),
            ],
        )
        return True
    static = [d if isinstance(d, int) and i not in (0, 1 if len(dims) == 4 else 0) else 1 for i, d in enumerate(dims)]
    mask = np.zeros(static, bool)
    mask[(..., *(-1,) * len(static))] = True
    add_where(proto, add_constant(proto, "mask", mask), kind)
    return mask.size > 1


def reversal(proto: onnx.ModelProto, name: str, axis: int) -> list[onnx.NodeProto]:
    arrays = {"start": [-1], "end": [np.iinfo(np.int64).min + 1], "axes": [axis], "steps": [-1]}
    operands = [add_constant(proto, key, np.array(array)) for key, array in arrays.items()]
    return [helper.make_node("Slice", [f"{name}/right", *operands], [name])]


def tokens_permuted(proto: onnx.ModelProto, _: Subject) -> bool:
    """The tokens of the output in reverse."""
    name, dims, _ = first_output(proto)
    if len(dims) != 3:
        return False
    behind(proto, name, reversal(proto, name, 1))
    return True


def layer_positions_permuted(proto: onnx.ModelProto, _: Subject) -> bool:
    """The positions of a layer's result in reverse: tokens, or columns of a map."""
    name = layers(proto)[-1].output[0]
    behind(proto, name, reversal(proto, name, 3))
    return True


def samples_mixed(proto: onnx.ModelProto, _: Subject) -> bool:
    """The samples of the batch in reverse."""
    name, dims, _ = first_output(proto)
    if isinstance(dims[0], int):
        return False
    behind(proto, name, reversal(proto, name, 0))
    return True


def result_h_w_swapped(proto: onnx.ModelProto, _: Subject) -> bool:
    """H and W of the last layer's result."""
    name = layers(proto)[-1].output[0]
    behind(proto, name, [helper.make_node("Transpose", [f"{name}/right"], [name], perm=[0, 1, 3, 2])])
    return True


_ACTIVATIONS = {"Relu", "Erf", "Sigmoid", "Tanh", "Softmax"}


def no_activation(proto: onnx.ModelProto, _: Subject) -> bool:
    """The first one behind the first layer."""
    first = layers(proto)[0]
    beside = list(graph_of(proto, first.output[0]).node)
    after = beside[beside.index(first) :]
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
