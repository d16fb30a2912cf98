"""Ways to break the inputs and outputs of a conversion."""

from __future__ import annotations

import numpy as np
import onnx
from mutant_nodes import add_constant, behind, first_output
from onnx import TensorProto, helper
from subjects import Subject, nodes_of


def rename(proto: onnx.ModelProto, before: str, after: str) -> None:
    for node in nodes_of(proto):
        node.input[:] = [after if n == before else n for n in node.input]
        node.output[:] = [after if n == before else n for n in node.output]
    for port in (*proto.graph.input, *proto.graph.output):
        if port.name == before:
            port.name = after


def output_renamed(proto: onnx.ModelProto, _: Subject) -> bool:
    rename(proto, proto.graph.output[0].name, "renamed")
    return True


def input_renamed(proto: onnx.ModelProto, _: Subject) -> bool:
    rename(proto, proto.graph.input[0].name, "renamed")
    return True


def output_retyped(proto: onnx.ModelProto, _: Subject) -> bool:
    name, _, kind = first_output(proto)
    behind(proto, name, [helper.make_node("Cast", [f"{name}/right"], [name], to=TensorProto.DOUBLE)])
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    return kind != TensorProto.DOUBLE


def output_reshaped(proto: onnx.ModelProto, _: Subject) -> bool:
    """A last axis of 1 that was not there."""
    name, dims, _ = first_output(proto)
    shape = add_constant(proto, "shape", np.array([0] * len(dims) + [1]))
    behind(proto, name, [helper.make_node("Reshape", [f"{name}/right", shape], [name])])
    proto.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 1
    return True


def batch_frozen(proto: onnx.ModelProto, _: Subject) -> bool:
    """A Reshape with the batch of the example input, 1, in it."""
    name, dims, _ = first_output(proto)
    if isinstance(dims[0], int):
        return False
    shape = add_constant(proto, "frozen", np.array([1, *(0 if isinstance(d, str) else d for d in dims[1:])]))
    behind(proto, name, [helper.make_node("Reshape", [f"{name}/right", shape], [name])])
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
