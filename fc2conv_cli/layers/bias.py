"""What is added to a layer: a bias, which is constant along positions, or something else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.contraction import Contraction
from fc2conv_cli.layers.context import Context
from fc2conv_cli.layers.per_channel import per_channel
from fc2conv_cli.layers.qdq import integer_bias
from fc2conv_cli.records import FullyConnected

Array = npt.NDArray[np.generic]

_FIRST_NUMPY_BROADCAST_OPSET = 7
"""Before opset 7 Add took its second operand as it is, or aligned by the attributes `broadcast` and `axis`."""


def absorb_add(layer: FullyConnected, context: Context) -> FullyConnected:
    """The layer with the Add that follows it, if that adds a bias and nobody else reads the layer's own result."""
    y = layer.y
    uses = list(y.uses())
    taken = layer.bias is not None or layer.addend is not None or layer.activation is not None
    if taken or layer.integer is not None or len(uses) != 1 or y.is_graph_output():
        return layer
    add = uses[0].node
    if add.op_type != "Add" or add.domain != "" or add.graph is not layer.node.graph or len(add.inputs) != 2:
        return layer
    other = add.inputs[1 - uses[0].idx]
    constant = None if other is None else context.constants.find(other)
    if constant is None and other is not None:
        return _with_integers(layer, add, other, context)
    if constant is None or not _broadcasts_at_the_end(
        add, len(constant.shape), len(layer.contraction.y), uses[0].idx, context
    ):
        return layer
    array = context.constants.array(constant)
    contraction = _widened(layer.contraction, array.ndim)
    bias = per_channel(array, contraction)
    if bias is None:
        return layer
    return replace(
        layer,
        spelling=f"{layer.spelling}+Add",
        y=add.outputs[0],
        contraction=contraction,
        bias=bias,
        absorbed=(*layer.absorbed, add),
    )


def _with_integers(layer: FullyConnected, add: ir.Node, other: ir.Value, context: Context) -> FullyConnected:
    """The layer with an int32 bias that is dequantised: what compilers take as the bias of a quantised convolution."""
    # A float16 sum is rounded before the Add as well, which a convolution does not do.
    fits = layer.folds_alpha and layer.dtype == ir.DataType.FLOAT
    found = integer_bias(other, layer, context) if fits else None
    if found is None or found.integers.dtype != np.int32 or context.opset < _FIRST_NUMPY_BROADCAST_OPSET:
        return layer
    spelling, absorbed = f"{layer.spelling}+Add", (*layer.absorbed, add)
    bias, bias_scale = found
    return replace(layer, spelling=spelling, y=add.outputs[0], bias=bias, bias_scale=bias_scale, absorbed=absorbed)


def _widened(contraction: Contraction, rank: int) -> Contraction:
    """The output with axes of size 1 in front, when a bias of higher rank broadcasts it so."""
    missing = max(0, rank - len(contraction.y))
    return replace(contraction, y=((),) * missing + contraction.y)


def _broadcasts_at_the_end(add: ir.Node, bias_rank: int, rank: int, layer_operand: int, context: Context) -> bool:
    if context.opset >= _FIRST_NUMPY_BROADCAST_OPSET:
        return True
    broadcast, start = add.attributes.get("broadcast"), add.attributes.get("axis")
    if broadcast is None or broadcast.as_int() == 0:
        return bias_rank == rank
    return layer_operand == 0 and (start is None or start.as_int() in (rank - bias_rank, -bias_rank))
