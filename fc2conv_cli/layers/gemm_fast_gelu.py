"""GemmFastGelu of onnxruntime: a product with a bias, and the Gelu that tanh approximates behind it.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GemmFastGelu; there is no
kernel for it on the CPU, so that the original cannot be run there.
"""

from __future__ import annotations

from dataclasses import replace

import onnx_ir as ir

from fc2conv_cli.layers import matmul, reasons
from fc2conv_cli.layers.context import Context
from fc2conv_cli.layers.per_channel import per_channel
from fc2conv_cli.records import Activation, Addend, FullyConnected, Skip

_FIRST_GELU_OPSET = 20


def match(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read GemmFastGelu(X, W, bias) as a fully connected layer."""
    layer = matmul.match(node, context)
    if isinstance(layer, Skip):
        return layer
    if not context.unverifiable:
        return Skip(node, reasons.UNVERIFIABLE, "GemmFastGelu")
    if context.opset < _FIRST_GELU_OPSET:
        return Skip(node, reasons.UNSUPPORTED_OP, "its Gelu needs opset 20")
    layer = replace(layer, activation=Activation("Gelu", (("approximate", "tanh"),)))
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        return layer
    constant = context.constants.find(bias)
    found = None if constant is None else per_channel(context.constants.array(constant), layer.contraction)
    return replace(layer, addend=Addend(bias, 1.0)) if found is None else replace(layer, bias=found)
