"""--fuse: what scales or shifts each output of a layer goes into its weight and bias. It changes rounding."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.dequantization import spread
from fc2conv_cli.layers.context import Context
from fc2conv_cli.layers.per_channel import per_channel
from fc2conv_cli.layers.scale import survives
from fc2conv_cli.records import FullyConnected

Array = npt.NDArray[np.float64]

_FIRST_OPSET = 7
"""Broadcasting as numpy does it, and BatchNormalization without a switch for training."""


class _Affine(NamedTuple):
    """``y * gain + shift``, a number for each out channel."""

    gain: Array
    shift: Array


def absorb_folds(layer: FullyConnected, context: Context) -> FullyConnected:
    """The layer with every BatchNormalization, Mul, Div, Add and Sub behind it that is constant along positions."""
    while (node := _follower(layer, context)) is not None:
        affine = _affine(node, layer, context)
        folded = None if affine is None else _folded(layer, node, affine, context)
        if folded is None:
            return layer
        layer = folded
    return layer


def _follower(layer: FullyConnected, context: Context) -> ir.Node | None:
    """The only reader of a float layer's result, if it may be folded."""
    plain = layer.addend is None and layer.activation is None and layer.integer is None and layer.folds_alpha
    uses = list(layer.y.uses())
    if not plain or layer.weight.dequantization is not None or layer.bias_scale is not None or len(uses) != 1:
        return None
    node = uses[0].node
    attributes = node.attributes.values()
    if layer.y.is_graph_output() or node.graph is not layer.node.graph or any(a.is_ref() for a in attributes):
        return None
    return node if node.domain == "" and context.opset >= _FIRST_OPSET else None


def _affine(node: ir.Node, layer: FullyConnected, context: Context) -> _Affine | None:
    if node.op_type == "BatchNormalization":
        return _normalization(node, layer, context)
    if node.op_type not in ("Mul", "Div", "Add", "Sub"):
        return None
    other = node.inputs[1] if node.inputs[0] is layer.y else node.inputs[0]
    if other is None or other is layer.y or (node.op_type in ("Div", "Sub") and node.inputs[0] is not layer.y):
        return None
    numbers = _numbers(other, layer, context)
    if numbers is None:
        return None
    with np.errstate(all="ignore"):
        match node.op_type:
            case "Mul":
                return _Affine(numbers, np.zeros_like(numbers))
            case "Div":
                return _Affine(1 / numbers, np.zeros_like(numbers))
            case "Add":
                return _Affine(np.ones_like(numbers), numbers)
    return _Affine(np.ones_like(numbers), -numbers)


def _normalization(node: ir.Node, layer: FullyConnected, context: Context) -> _Affine | None:
    """https://onnx.ai/onnx/operators/onnx__BatchNormalization.html: (y - mean) / sqrt(var + epsilon) * scale + b."""
    training = node.attributes.get_int("training_mode", 0) or not node.attributes.get_int("spatial", 1)
    if training or node.inputs[0] is not layer.y or len(node.outputs) > 1:
        return None  # before opset 14 further outputs mean training
    rank = len(layer.contraction.y)
    found = [_numbers(v, layer, context, trailing=rank - 2) for v in node.inputs[1:5] if v is not None]
    if rank < 2 or len(found) != 4:
        return None
    scale, shift, mean, variance = found
    if scale is None or shift is None or mean is None or variance is None:
        return None
    with np.errstate(all="ignore"):
        gain = scale / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    return _Affine(gain, shift - mean * gain)


def _numbers(value: ir.Value, layer: FullyConnected, context: Context, trailing: int = 0) -> Array | None:
    """A constant as one number for each out channel; `trailing` axes of size 1 go behind it first."""
    constant = context.constants.find(value)
    if constant is None:
        return None
    array = context.constants.array(constant)
    found = per_channel(array.reshape(array.shape + (1,) * trailing), layer.contraction)
    return None if found is None else found.astype(np.float64)


def _folded(layer: FullyConnected, node: ir.Node, affine: _Affine, context: Context) -> FullyConnected | None:
    """The layer with the node in it, unless that leaves the range of its type."""
    dtype = layer.weight.dtype.numpy()
    gain = affine.gain if layer.gain is None else layer.gain * affine.gain
    bias = affine.shift if layer.bias is None else layer.bias.astype(np.float64) * affine.gain + affine.shift
    keeps = layer.bias is None and not affine.shift.any()
    with np.errstate(all="ignore"):
        if not np.isfinite(np.concatenate([gain.astype(dtype), bias.astype(dtype)])).all():
            return None
    factors = spread(gain * layer.alpha, (layer.contraction.outs,), layer.contraction.w).astype(np.float64)
    if not survives(context.constants.array(layer.weight), factors):
        return None
    scales = layer.gain is not None or node.op_type not in ("Add", "Sub")
    return replace(
        layer,
        y=node.outputs[0],
        gain=gain if scales else None,
        bias=None if keeps else bias.astype(dtype),
        folded=(*layer.folded, node),
        absorbed=(*layer.absorbed, node),
    )
