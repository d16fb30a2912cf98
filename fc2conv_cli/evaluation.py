"""Computes what nodes make of constants, in onnxruntime: exactly what the original model would compute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir

from fc2conv_cli.verification.runner import Runner

_FED = frozenset(
    {
        *(ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BOOL),
        *(ir.DataType.INT8, ir.DataType.INT16, ir.DataType.INT32, ir.DataType.INT64),
        *(ir.DataType.UINT8, ir.DataType.UINT16, ir.DataType.UINT32, ir.DataType.UINT64),
    }
)


def evaluate(
    value: ir.Value, nodes: Sequence[ir.Node], leaves: Sequence[ir.Value], model: ir.Model
) -> npt.NDArray[np.generic]:
    """Run nodes whose inputs are all constant.

    Args:
        value: The output that is asked for.
        nodes: The nodes that it takes, in topological order.
        leaves: The initializers that they read.
        model: The model that they belong to; its opset and IR version apply.

    Returns:
        The value's elements.

    Raises:
        fc2conv_cli.verification.runner.RunError: Onnxruntime cannot run them.
    """
    # Weights are fed, not embedded, so that a large one is neither copied into a protobuf nor held to its 2 GB.
    # Types that numpy lacks cannot be fed.
    constants = [(v.name or "", v.const_value) for v in leaves if v.const_value is not None]
    fed = {name: tensor for name, tensor in constants if tensor.dtype in _FED}
    feeds = {name: tensor.numpy() for name, tensor in fed.items()}
    inputs = [_value_info(name, tensor) for name, tensor in fed.items()]
    embedded = [_named(name, tensor) for name, tensor in constants if name not in fed]
    output = onnx.ValueInfoProto(name=value.name or "")
    graph = onnx.helper.make_graph([ir.to_proto(n) for n in nodes], "constants", inputs, [output], embedded)
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in model.opset_imports.items()]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=max(model.ir_version, 4))
    result: npt.NDArray[np.generic] = Runner(proto.SerializeToString()).run(feeds)[value.name or ""]
    return result


def _named(name: str, tensor: ir.TensorProtocol) -> onnx.TensorProto:
    proto = ir.to_proto(tensor)
    proto.name = name
    return proto


def _value_info(name: str, tensor: ir.TensorProtocol) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, int(tensor.dtype), tensor.shape.numpy())
