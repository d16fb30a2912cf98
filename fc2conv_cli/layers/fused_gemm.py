"""FusedGemm of onnxruntime: a Gemm with an activation behind it, which becomes a node of its own."""

from __future__ import annotations

from dataclasses import replace

import onnx_ir as ir

from fc2conv_cli.layers import gemm, reasons
from fc2conv_cli.layers.context import Context
from fc2conv_cli.records import Activation, FullyConnected, Skip

_PARAMETERS: dict[str, tuple[str, ...]] = {
    "Relu": (),
    "Sigmoid": (),
    "Tanh": (),
    "Softplus": (),
    "Softsign": (),
    "LeakyRelu": ("alpha",),
    "Elu": ("alpha",),
    "ThresholdedRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
}
"""The activations that onnxruntime's kernel takes, and the attributes that it requires for each as `activation_...`
(onnxruntime/core/providers/cpu/activation/activations.cc)."""


def match(node: ir.Node, context: Context) -> FullyConnected | Skip:
    """Read a FusedGemm node as a fully connected layer."""
    layer = gemm.match(node, context)
    if isinstance(layer, Skip):
        return layer
    name = node.attributes.get_string("activation", "")
    if name not in _PARAMETERS:
        return Skip(node, reasons.UNSUPPORTED_OP, f"its activation is {name!r}")
    missing = [p for p in _PARAMETERS[name] if f"activation_{p}" not in node.attributes]
    if missing:
        return Skip(node, reasons.INVALID_SHAPES, f"its activation {name} lacks {missing[0]}")
    parameters = tuple((p, node.attributes[f"activation_{p}"].as_float()) for p in _PARAMETERS[name])
    return replace(layer, spelling="FusedGemm", activation=Activation(name, parameters))
