"""Layers between QuantizeLinear and DequantizeLinear: the scale of the weight, an integer bias, and what follows.

Compilers know a quantised layer by its neighbours: DequantizeLinear in front of each operand, QuantizeLinear behind,
at most an activation between. So those move with the layer, and layout ops go where the integers are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli import dequantization
from fc2conv_cli.constants import Constant
from fc2conv_cli.dequantization import Dequantization
from fc2conv_cli.layers import reasons
from fc2conv_cli.layers.context import Context
from fc2conv_cli.layers.per_channel import per_channel
from fc2conv_cli.layout.nodes import LONGEST_CHAIN, can_move, is_layout_node, view_of
from fc2conv_cli.layout.quantizers import is_quantizer, result_dtype, source_dtype
from fc2conv_cli.records import FullyConnected, Skip
from fc2conv_cli.views import align, refine

Array = npt.NDArray[np.generic]

_CLAMPS = frozenset({"Relu", "Clip"})
"""Activations that compilers fold into the QuantizeLinear behind them."""


def with_scale(layer: FullyConnected) -> FullyConnected | Skip:
    """The layer with the scale of its weight in the factors that it multiplies by."""
    stored = layer.weight.dequantization
    if stored is None:
        return layer
    aligned = align(stored.axes, layer.contraction.w)
    if aligned is None:
        return Skip(layer.node, reasons.QUANTIZED_WEIGHT, "its scales do not follow the axes that are multiplied")
    theirs, ours = aligned
    contraction = replace(layer.contraction.refined(ours), scale=refine(stored.scale_axes, theirs))
    integers = layer.weight.dtype.name.lower()
    return replace(layer, spelling=f"{layer.spelling} ({integers})", contraction=contraction)


class IntegerBias(NamedTuple):
    """A bias as integers, one an out channel, and their scale: scalar or one an out channel."""

    integers: Array
    dequantization: Dequantization


def integer_bias(value: ir.Value, layer: FullyConnected, context: Context) -> IntegerBias | None:
    """A term that a DequantizeLinear computes of constants, as a bias; None if it is no such thing or no bias."""
    found = dequantization.read(value, context.constants, context.shapes)
    if not isinstance(found, Constant) or (stored := found.dequantization) is None:
        return None
    integers = per_channel(context.constants.array(found), layer.contraction)
    scale, zero_point = (_scale(array, stored, layer) for array in (stored.scale, stored.zero_point))
    if integers is None or scale is None or (zero_point is None and stored.zero_point is not None):
        return None
    return IntegerBias(integers, replace(stored, scale=scale, zero_point=zero_point))


def _scale(array: Array | None, stored: Dequantization, layer: FullyConnected) -> Array | None:
    if array is None or array.ndim == 0:
        return array
    return per_channel(dequantization.spread(array, stored.scale_axes, stored.axes), layer.contraction)


def absorb_tail(layer: FullyConnected, context: Context) -> FullyConnected:
    """The layer with the QuantizeLinear behind it, and an activation between, if nobody else reads what is between."""
    plain = layer.addend is None and layer.activation is None and layer.folds_alpha
    if layer.weight.dequantization is None or not plain:
        return layer
    tail: list[ir.Node] = []
    value = layer.y
    while True:
        uses = list(value.uses())
        if len(uses) != 1 or uses[0].idx != 0 or value.is_graph_output():
            return layer
        node = uses[0].node
        if node.graph is not layer.node.graph or any(a.is_ref() for a in node.attributes.values()):
            return layer
        tail.append(node)
        value = node.outputs[0]
        if node.op_type == "QuantizeLinear" and is_quantizer(node, context.shapes):
            if not can_move(result_dtype(node, context.shapes)):
                return layer
            return replace(layer, tail=tuple(tail), y=value, absorbed=(*layer.absorbed, *tail))
        if node.domain != "" or node.op_type not in _CLAMPS or len(tail) > 1:
            return layer


def absorb_head(layer: FullyConnected, context: Context) -> FullyConnected:
    """The layer reading the integers in front of its DequantizeLinear, so that no layout node comes between them."""
    value, contraction = layer.x, layer.contraction
    lifted: tuple[ir.Node, ...] = ()
    for _ in range(LONGEST_CHAIN):
        node = value.producer()
        source = None if node is None or not node.inputs else node.inputs[0]
        if node is None or source is None or node.graph is not layer.node.graph:
            return layer
        if node.op_type == "DequantizeLinear" and is_quantizer(node, context.shapes):
            if not can_move(source_dtype(node, context.shapes)):
                return layer
            return replace(layer, x=source, contraction=contraction, lifted=lifted, head=(node,))
        view = view_of(node, context.shapes)
        seen = None if view is None or lifted else contraction.seen_from(view)
        if seen is not None:
            contraction = seen
        elif is_layout_node(node) and context.shapes.shape(value) is not None:
            lifted = (node, *lifted)
        else:
            return layer
        value = source
    return layer
