"""Standard inference, onnx's own: the shapes of a model where it knows every one of them.

It is C++, and costs next to nothing beside symbolic inference, which begins with importing SymPy. But it computes with
no symbols: a dim is a number, the name that an input gives it, or unknown. So its answer counts only where nothing is
unknown.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

import onnx
import onnx_ir as ir

from fc2conv_cli.frontends.large_file import parse
from fc2conv_cli.graphs import stored_tensors
from fc2conv_cli.shapes.reshapes import settled
from fc2conv_cli.sizes import PLACEHOLDERS, Shape, shape_of

_LARGEST_SHAPE = 1024
"""Bytes; a tensor of more is a weight, of which inference asks only for its shape."""
_BODIES = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
_UNREAD_SLICE = 10
_MOST_ROUNDS = 4
"""Of inference, each with what the last one made known of Reshapes; a model of more gains little beside the engine."""


def infer(model: ir.Model, path: Path) -> dict[ir.Value, tuple[Shape, ir.DataType]] | None:
    """The shape and dtype of every value, or None if one of them is unknown.

    Models with functions, bodies, or initializers that are inputs too are not asked about.

    Args:
        model: A model as it was read, and not changed since.
        path: Its file.
    """
    proto = parse(path).proto
    opset = max((entry.version for entry in proto.opset_import if not entry.domain), default=1)
    if proto.functions or _has_defaults(proto.graph):
        return None
    if any(_is_beyond(node, opset) for node in proto.graph.node):
        return None
    inputs = [value.type.tensor_type for value in proto.graph.input]
    names = {dim.dim_param for type_ in inputs for dim in type_.shape.dim} - PLACEHOLDERS
    _strip(proto)
    for _ in range(_MOST_ROUNDS):
        told = _told(proto)
        known = {name: dims for name, type_ in told.items() if (dims := _dims(type_, names)) is not None}
        if all(v.name in known for v in _computed(model)):
            return _by_value(model, told, known)
        more = settled(proto.graph, known, names)
        if not more:
            return None
        _declare(proto.graph, told, more)
    return None


def _computed(model: ir.Model) -> list[ir.Value]:
    """The inputs, and what nodes give; an output that is not asked for has no name."""
    return [*model.graph.inputs, *(v for node in model.graph for v in node.outputs if v.name)]


def _told(proto: onnx.ModelProto) -> dict[str, onnx.TypeProto.Tensor]:
    """What onnx infers, by name; nothing if there is a node that it cannot read."""
    try:
        graph = onnx.shape_inference.infer_shapes(proto).graph
    except Exception:  # what escapes from C++ is not documented
        return {}
    return {v.name: v.type.tensor_type for v in (*graph.input, *graph.value_info, *graph.output)}


def _by_value(
    model: ir.Model, told: Mapping[str, onnx.TypeProto.Tensor], known: Mapping[str, Shape]
) -> dict[ir.Value, tuple[Shape, ir.DataType]]:
    tensors = {v: v.const_value for v in model.graph.initializers.values()}
    found = {v: (shape_of(tensor.shape.numpy()), tensor.dtype) for v, tensor in tensors.items() if tensor is not None}
    for value in _computed(model):
        name = value.name or ""
        found[value] = known[name], ir.DataType(told[name].elem_type)
    return found


def _declare(graph: onnx.GraphProto, told: Mapping[str, onnx.TypeProto.Tensor], shapes: Mapping[str, Shape]) -> None:
    """Say shapes of values in a graph, so that inference goes on from there."""
    outputs = {value.name: value for value in graph.output}
    for name, shape in shapes.items():
        dims = [str(size) if size.static is None else size.static for size in shape]
        value = onnx.helper.make_tensor_value_info(name, told[name].elem_type, dims)
        (outputs[name] if name in outputs else graph.value_info.add()).CopyFrom(value)


def _is_beyond(node: onnx.NodeProto, opset: int) -> bool:
    """Whether a node has a body, or is one of which onnx (1.23) infers another shape than onnxruntime computes.

    Without axes the rank of a Squeeze is unknown while one of its dims is a name; axes of an attribute are taken to be
    sorted and not negative. The Slice of opset 10 is taken to leave dims with names as they are, and sizes that a
    Resize multiplies are rounded otherwise.
    """
    attributes = {attribute.name: attribute for attribute in node.attribute}
    if any(attribute.type in _BODIES for attribute in node.attribute):
        return True
    return {
        "Squeeze": len(node.input) == 1,
        "Unsqueeze": "axes" in attributes and min(attributes["axes"].ints, default=0) < 0,
        "Slice": opset == _UNREAD_SLICE,
        "ConvTranspose": "output_shape" in attributes,
        "Resize": True,
    }.get(node.op_type, False)


def _has_defaults(graph: onnx.GraphProto) -> bool:
    return not {value.name for value in graph.input}.isdisjoint(tensor.name for tensor in graph.initializer)


def _strip(proto: onnx.ModelProto) -> None:
    """Take out what the file only says of inner values and outputs, which may be stale, and the bytes of weights."""
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    for tensor in stored_tensors(proto):
        if len(tensor.raw_data) > _LARGEST_SHAPE:
            tensor.ClearField("raw_data")


def _dims(type_: onnx.TypeProto.Tensor, names: Container[str]) -> Shape | None:
    """The shape, if each dim of it is a number or one of these names."""
    if not type_.HasField("shape") or not type_.elem_type:
        return None
    dims = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in type_.shape.dim]
    known = all(dim >= 0 if isinstance(dim, int) else dim in names for dim in dims)
    return shape_of(dims) if known else None
